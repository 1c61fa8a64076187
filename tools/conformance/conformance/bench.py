"""What behaviours work with: the adapter under test, gates, and the register of behaviours."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.certificates import Certificates
from support.proxy import Proxy
from support.scripted import Script, ScriptedGate
from support.servers import Gate, MariaDB, free_port

from .adapter import Adapter, Answer, Failed

Behaviour = Callable[["Bench"], None]

#: Behaviours by the name that ``proto-spec/behaviours.md`` gives them, in order.
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(name: str) -> Callable[[Behaviour], Behaviour]:
    """Registers the function that shows a behaviour."""

    def register(function: Behaviour) -> Behaviour:
        assert name not in BEHAVIOURS, name
        BEHAVIOURS[name] = function
        return function

    return register


@dataclass
class Stage:
    """Servers that behaviours share."""

    folder: Path
    mariadb: MariaDB
    gate: Gate
    secure: Gate
    certificates: Certificates
    _made: Iterator[int] = field(default_factory=itertools.count)

    def number(self) -> int:
        """A number that nothing else has: behaviours run side by side."""
        return next(self._made)


class Bench:
    """One client at one behaviour."""

    def __init__(self, stage: Stage, adapter: Adapter) -> None:
        self.stage = stage
        self.adapter = adapter

    def connect(self, url: str | None = None, name: str = "c", **options: Any) -> None:
        """A session called ``name``."""
        self.adapter.call("connect", **{"as": name}, url=url or self.stage.gate.url(), options=options)

    def query(self, sql: str, on: str = "c", **fields: Any) -> Answer:
        """Runs a statement."""
        return self.adapter.call("query", on=on, sql=sql, **fields)

    def value(self, sql: str, on: str = "c", **fields: Any) -> Any:
        """The one cell of a statement."""
        [[cell]] = self.query(sql, on, **fields)["rows"]
        return cell

    def fails(self, code: str, sql: str, on: str = "c", **fields: Any) -> Failed:
        """Runs a statement that must fail so."""
        return self.refused(code, "query", on=on, sql=sql, **fields)

    def refused(self, code: str, do: str, **fields: Any) -> Failed:
        """Does something that must fail so."""
        try:
            self.adapter.call(do, **fields)
        except Failed as failed:
            assert failed.code == code, f"expected {code}, got {failed.code}: {failed}"
            return failed
        raise AssertionError(f"`{do}` succeeded, where {code} was expected")

    def table(self) -> str:
        """The name of an empty table with ``id`` and ``n``."""
        name = f"conformance_{self.stage.number()}"
        self.stage.mariadb.sql(f"CREATE TABLE main.{name} (id BIGINT PRIMARY KEY, n INT NOT NULL DEFAULT 0)")
        return name

    def count(self, table: str) -> int:
        """Rows of a table, as MariaDB has them."""
        return int(self.stage.mariadb.sql(f"SELECT COUNT(*) FROM main.{table}"))

    def ends(self, mark: str, within: float = 15.0) -> None:
        """No statement with this mark may run in MariaDB any more, soon."""
        query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND info NOT LIKE '%processlist%'"
        self.until(f"{mark} still runs", lambda: int(self.stage.mariadb.sql(query)) == 0, within)

    def runs(self, mark: str) -> None:
        """Waits until a statement with this mark runs in MariaDB."""
        query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND info NOT LIKE '%processlist%'"
        self.until(f"{mark} does not run", lambda: int(self.stage.mariadb.sql(query)) > 0)

    @staticmethod
    def until(what: str, ready: Callable[[], bool], within: float = 15.0) -> None:
        """Waits for a condition."""
        end = time.monotonic() + within
        while not ready():
            assert time.monotonic() < end, what
            time.sleep(0.05)

    @contextmanager
    def scripted(self, script: Script, **hello: Any) -> Iterator[ScriptedGate]:
        """A gate that answers as told."""
        with ScriptedGate(script, hello) as gate:
            yield gate

    @contextmanager
    def proxy(self) -> Iterator[Proxy]:
        """A proxy before the gate."""
        with Proxy(self.stage.gate.port) as between:
            yield between

    @contextmanager
    def pair(self) -> Iterator[tuple[Gate, Gate]]:
        """Two gates that name each other."""
        number = self.stage.number()
        ports = free_port(), free_port()
        gates = [
            Gate(
                self.stage.folder / f"pair-{number}-{index}",
                self.stage.mariadb,
                f'gates = ["127.0.0.1:{ports[1 - index]}"]\ndrain = "5s"',
                port=ports[index],
            )
            for index in (0, 1)
        ]
        try:
            yield gates[0], gates[1]
        finally:
            for gate in gates:
                gate.stop()
