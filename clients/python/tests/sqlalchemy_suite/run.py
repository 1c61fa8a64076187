"""Runs SQLAlchemy's compliance suite once: ``run.py DRIVER SHARDS [arguments of pytest]``.

``DRIVER`` is a dialect's name: ``vitrail``, ``vitrail+aio``; or ``mysql+pymysql`` for the same server without Vitrail. That is
MariaDB, or MySQL 9 with ``VITRAIL_SUITE_FLAVOUR=mysql`` in the environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from sqlalchemy_suite.keyspaces import KEYSPACES, suite_gate  # noqa: E402
from support.servers import MariaDB, MySQL, temporary  # noqa: E402


def main() -> int:
    """The exit status is pytest's."""
    driver, shards, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    flavour = os.environ.get("VITRAIL_SUITE_FLAVOUR", "mariadb")
    # Ended from outside, it ends its servers as well.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary())
        mariadb = (MySQL if flavour == "mysql" else MariaDB)(folder)
        stack.callback(mariadb.stop)
        if driver.startswith("vitrail"):
            gate = suite_gate(folder / "gate", mariadb, shards)
            stack.callback(gate.stop)
            url = gate.url(KEYSPACES[0]).replace("vitrail:", f"{driver}:", 1)
        else:
            shards = 0
            mariadb.sql("".join(f"CREATE DATABASE {name} CHARACTER SET utf8mb4;" for name in KEYSPACES))
            url = f"{driver}://root@localhost/{KEYSPACES[0]}?unix_socket={mariadb.socket}"
        command = [sys.executable, "-m", "pytest", "-c", "setup.cfg", f"--dburi={url}", *arguments]
        environment = {**os.environ, "VITRAIL_SUITE_SHARDS": str(shards)}
        return subprocess.run(command, cwd=HOME, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
