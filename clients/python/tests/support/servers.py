"""Real servers: a MariaDB in a temporary folder, and gates over it. Each ends with its context, by its process id."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from support.vectors import REPOSITORY

_SHARDS = {"-80": "shop_0", "80-": "shop_1"}
_VSCHEMA = """{"sharded": true, "vindexes": {"hash": {"type": "hash"}}, "tables": {
 "members": {"column_vindexes": [{"column": "id", "name": "hash"}]},
 "orders": {"column_vindexes": [{"column": "id", "name": "hash"}]}}}"""
_STARTS_WITHIN = 60.0
_STOPS_WITHIN = 20.0


def binary() -> Path:
    """The program that serves; ``VITRAIL_BINARY`` names another one."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    found = Path(os.environ.get("VITRAIL_BINARY", target / "debug" / "vitrail"))
    assert found.exists(), f"{found} is missing: cargo build --bin vitrail"
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(what: str, ready: object, process: subprocess.Popen[bytes] | None = None) -> None:
    """Waits for a condition, as long as the process lives."""
    assert callable(ready)
    until = time.monotonic() + _STARTS_WITHIN
    while not ready():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: the process ended with status {process.returncode}")
        if time.monotonic() > until:
            raise AssertionError(f"{what} took too long")
        time.sleep(0.02)


class MariaDB:
    """A MariaDB server with databases ``main``, ``shop_0`` and ``shop_1``."""

    _OPTIONS = (
        "--bind-address=127.0.0.1",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=64M",
        "--skip-name-resolve",
        "--max-connections=200",
        "--log-bin=binlog",
        "--server-id=1",
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "m.sock"
        self._path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        self._user = ["--user=root"] if os.geteuid() == 0 else []
        self._log = (folder / "mysql.log").open("wb")
        data = f"--datadir={folder / 'data'}"
        # Names of temporary tables hold the server's process id, which is not unique where containers share a folder.
        environment = {**os.environ, "PATH": self._path, "TMPDIR": str(folder)}
        install = [*self._installer(), data, *self._user]
        installed = subprocess.run(install, stdout=self._log, stderr=self._log, env=environment, check=False)
        assert installed.returncode == 0, (folder / "mysql.log").read_text()
        options = [*self._server(), data, f"--socket={self.socket}", f"--port={self.port}", *self._user, *self._OPTIONS]
        self.process = subprocess.Popen(options, stdout=self._log, stderr=self._log, env=environment)
        wait_until("MariaDB", self._answers, self.process)
        databases = ["main", *_SHARDS.values()]
        self.sql("".join(f"CREATE DATABASE {name} CHARACTER SET utf8mb4;" for name in databases))
        for name in _SHARDS.values():
            self.sql(f"CREATE TABLE {name}.orders (id BIGINT PRIMARY KEY, note VARCHAR(100))")
        for name in databases:
            self.sql(f"CREATE TABLE {name}.members (id BIGINT PRIMARY KEY, name VARCHAR(100), n INT NOT NULL DEFAULT 0)")
        self.sql("CREATE USER vitrail@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO vitrail@'127.0.0.1';")

    def _installer(self) -> list[str]:
        return ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal"]

    def _server(self) -> list[str]:
        program = shutil.which("mariadbd", path=self._path)
        assert program is not None, "MariaDB is not installed: tools/harness/install-mariadb"
        return [program, "--no-defaults", "--innodb-log-file-size=32M"]

    def _answers(self) -> bool:
        return self._client("SELECT 1").returncode == 0

    def _client(self, statement: str) -> subprocess.CompletedProcess[bytes]:
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch", "--skip-column-names"]
        return subprocess.run(command, input=statement.encode(), capture_output=True, check=False)

    def sql(self, statement: str) -> str:
        """Runs statements as root, beside the gates."""
        done = self._client(statement)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def stop(self) -> None:
        """Ends it at once; its data is temporary."""
        self.process.kill()
        self.process.wait(_STOPS_WITHIN)
        self._log.close()


class MySQL(MariaDB):
    """A MySQL 9, as ``tools/harness/install-mysql`` puts it into the cache, with the same databases."""

    def _installer(self) -> list[str]:
        return [*self._server(), "--initialize-insecure"]

    def _server(self) -> list[str]:
        cache = os.environ.get("VITRAIL_CACHE") or Path.home() / ".cache" / "vitrail"
        tree = Path(cache) / "mysql-sid"
        loaders = sorted((tree / "usr" / "lib").glob("*/ld-linux*"))
        assert loaders, "MySQL is not installed: tools/harness/install-mysql"
        return [
            str(loaders[0]),
            "--library-path",
            str(loaders[0].parent),
            str(tree / "usr" / "sbin" / "mysqld"),
            "--no-defaults",
            f"--basedir={tree / 'usr'}",
            f"--lc-messages-dir={tree / 'usr' / 'share' / 'mysql'}",
            f"--plugin-dir={tree / 'usr' / 'lib' / 'mysql' / 'plugin'}",
            "--innodb-redo-log-capacity=64M",
            "--mysqlx=OFF",
            "--secure-file-priv=",
            f"--pid-file={self.folder / 'mysql.pid'}",
        ]


class Gate:
    """``vitrail serve`` over a :class:`MariaDB`. ``options`` are lines of ``[listen]`` in the configuration."""

    def __init__(self, folder: Path, mariadb: MariaDB, options: str = "", extra: str = "", port: int | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = port if port is not None else free_port()
        self.http_port = free_port()
        (folder / "shop.vschema.json").write_text(_VSCHEMA)
        mysql = f'{{ host = "127.0.0.1", port = {mariadb.port}, user = "vitrail", password = "secret" }}'
        shards = "".join(
            f'[[keyspaces.shop.shards]]\nname = "{name}"\ndatabase = "{database}"\nmysql = {mysql}\n'
            for name, database in _SHARDS.items()
        )
        (folder / "vitrail.toml").write_text(f"""
[listen]
address = "127.0.0.1:{self.port}"
http = "127.0.0.1:{self.http_port}"
socket = "{folder / "g.sock"}"
{options}
[users.admin]
password = "s3cret,="
grants = [{{ role = "admin" }}]
[users.app]
password = "app"
{extra}
[[keyspaces.main.shards]]
name = "0"
database = "main"
mysql = {mysql}
[keyspaces.shop]
vschema = "shop.vschema.json"
{shards}""")
        self._log: IO[bytes] = (folder / "gate.log").open("ab")
        command = [str(binary()), "serve", "--config", str(folder / "vitrail.toml")]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, cwd=folder)
        wait_until("the gate", self._answers, self.process)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def url(self, target: str = "main", user: str = "admin", password: str | None = "s3cret%2C%3D", query: str = "") -> str:
        """A URL of this gate."""
        proof = "" if password is None else f":{password}"
        return f"vitrail://{user}{proof}@127.0.0.1:{self.port}/{target}{query}"

    def drain(self) -> None:
        """Asks it to go, as an operator does."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ends it at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(_STOPS_WITHIN)
        self._log.close()

    def metric(self, name: str) -> float:
        """A figure of ``/metrics``."""
        with socket.create_connection(("127.0.0.1", self.http_port), 5) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        assert found, name
        return sum(float(value) for value in found)


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A folder with a short name: Unix sockets have little room."""
    folder = Path(tempfile.mkdtemp(prefix="vp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
