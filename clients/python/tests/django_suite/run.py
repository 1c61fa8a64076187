"""Runs those of Django's own tests that are about databases: ``run.py BACKEND SHARDS --junit-xml=REPORT [tests]``.

``BACKEND`` is ``vitrail.django``, or ``django.db.backends.mysql`` for the same MariaDB without Vitrail. ``tests`` are labels as
``queries.tests.Queries1Tests``; without any, all of :data:`APPS` are run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from django_suite.keyspaces import KEYSPACES, suite_gate  # noqa: E402
from django_suite.sources import unpacked  # noqa: E402
from support.servers import MariaDB, temporary  # noqa: E402

APPS = ("basic", "queries", "aggregation", "transactions", "backends", "bulk_create", "select_related")


def main() -> int:
    """The exit status is that of Django's ``runtests.py``."""
    options = _options()
    shards: int = options.shards
    # Ended from outside, it ends its servers as well.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary())
        mariadb = MariaDB(folder)
        stack.callback(mariadb.stop)
        server: dict[str, Any]
        if options.backend == "vitrail.django":
            gate = suite_gate(folder / "gate", mariadb, shards)
            stack.callback(gate.stop)
            server = {"USER": "admin", "PASSWORD": "s3cret,=", "PORT": gate.port}
        else:
            shards = 0
            server = {"USER": "vitrail", "PASSWORD": "secret", "PORT": mariadb.port}
        server.update(ENGINE=options.backend, HOST="127.0.0.1")
        databases = {
            alias: {**server, "NAME": name, "TEST": {"NAME": name, "CHARSET": "utf8mb4"}} for alias, name in KEYSPACES.items()
        }
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(HOME.parent), str(HOME.parents[1] / "src"))),
            "VITRAIL_SUITE_DATABASES": json.dumps(databases),
            "VITRAIL_SUITE_PART": " ".join(options.tests),
            "VITRAIL_SUITE_REPORT": str(options.junit_xml.absolute()),
            "VITRAIL_SUITE_SHARDS": str(shards),
        }
        arguments = ["--settings=django_suite.settings", "--parallel=1", "--noinput", f"--verbosity={int(not options.quiet)}"]
        command = [sys.executable, "runtests.py", *arguments, *(options.tests or APPS)]
        return subprocess.run(command, cwd=unpacked(), env=environment, check=False).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend", choices=("vitrail.django", "django.db.backends.mysql"))
    parser.add_argument("shards", type=int)
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--junit-xml", type=Path, required=True)
    parser.add_argument("--quiet", action="store_true")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    sys.exit(main())
