"""The adapter of this client for ``tools/conformance``: commands on standard input, answers on standard output, a line each."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import json
import re
import sys
from typing import Any

import vitrail
from vitrail import aio

Command = dict[str, Any]

_BIND = re.compile(r"::?([A-Za-z_]\w*)")


def value(described: dict[str, Any]) -> Any:
    """The Python value that a command describes."""
    [(kind, content)] = described.items()
    if kind == "list":
        return [value(item) for item in content]
    if kind == "tuple":
        return tuple(value(item) for item in content)
    return _READERS[kind](content)


def _duration(text: str) -> datetime.timedelta:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    return sign * datetime.timedelta(
        hours=int(hours), minutes=int(minutes), seconds=int(whole), microseconds=int(fraction.ljust(6, "0") or 0)
    )


_READERS: dict[str, Any] = {
    "null": lambda _: None,
    "int": int,
    "bool": bool,
    "double": float,
    "decimal": decimal.Decimal,
    "text": str,
    "bytes": bytes.fromhex,
    # Python has no zero dates; as text they are MySQL's to read.
    "date": lambda text: text if text.startswith("0000") else datetime.date.fromisoformat(text),
    "datetime": datetime.datetime.fromisoformat,
    "time": _duration,
    "json": lambda text: vitrail.Json(text=text),
    "bit": lambda text: vitrail.Bit(bytes.fromhex(text)),
    "geometry": lambda text: vitrail.Geometry(bytes.fromhex(text)),
}


def cell(content: Any) -> dict[str, Any]:
    """What a cell is, for the answer."""
    if content is None:
        return {"null": True}
    if isinstance(content, datetime.datetime):
        return {"datetime": content.isoformat(" ")}
    if isinstance(content, datetime.date):
        return {"date": content.isoformat()}
    if isinstance(content, datetime.timedelta):
        micros = content // datetime.timedelta(microseconds=1)
        minutes, seconds = divmod(abs(micros) // 1_000_000, 60)
        hours, minutes = divmod(minutes, 60)
        sign = "-" if micros < 0 else ""
        return {"time": f"{sign}{hours:02}:{minutes:02}:{seconds:02}.{abs(micros) % 1_000_000:06}"}
    if isinstance(content, str) and re.fullmatch(r"0000-00-00", content):
        return {"date": content}
    if isinstance(content, bytes):
        return {"bytes": content.hex()}
    for kind, name in ((int, "int"), (decimal.Decimal, "decimal")):
        if isinstance(content, kind):
            return {name: str(content)}
    if isinstance(content, float):
        return {"double": content}
    return {"text": content}


def statement(command: Command) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The statement of a command in this client's placeholders, its arguments and options."""
    options: dict[str, Any] = {name: command[name] for name in ("target", "max_rows") if name in command}
    if "deadline_ms" in command:
        options["timeout"] = command["deadline_ms"] / 1000
    sql = command["sql"]
    if "values" in command:
        return _BIND.sub("%s", sql), tuple(value(item) for item in command["values"]), options
    if "binds" in command:
        binds = {name: value(item) for name, item in command["binds"].items()}
        return _BIND.sub(lambda match: f"%({match[1]})s", sql), (binds,), options
    return sql, (), options


class Adapter:
    """Sessions, streams and running statements by the names that commands give them."""

    def __init__(self) -> None:
        self.sessions: dict[str, aio.Connection] = {}
        self.streams: dict[str, aio.Cursor] = {}
        self.running: dict[str, tuple[aio.Connection, asyncio.Task[dict[str, Any]]]] = {}

    async def answer(self, command: Command) -> dict[str, Any]:
        """Does what a command says."""
        try:
            return {"ok": await getattr(self, f"do_{command['do']}")(command)}
        except vitrail.Error as error:
            names = ("code", "errno", "sqlstate", "executed", "retryable", "in_transaction", "message", "item")
            return {"error": {name: getattr(error, name) for name in names}}

    async def do_connect(self, command: Command) -> dict[str, Any]:
        self.sessions[command["as"]] = await aio.connect(command["url"], **command["options"])
        return {}

    async def do_session(self, command: Command) -> dict[str, Any]:
        self.sessions[command["as"]] = aio.Connection(self.sessions[command["of"]]._links, owns_links=False)
        return {}

    async def do_query(self, command: Command) -> dict[str, Any]:
        return await self._query(self.sessions[command["on"]], command)

    async def _query(self, session: aio.Connection, command: Command) -> dict[str, Any]:
        sql, arguments, options = statement(command)
        cursor = session.cursor(sql, *arguments, **options)
        rows = await cursor.fetch(1 << 30)
        done = cursor.outcome
        assert done is not None
        return {
            "rows": [[cell(content) for content in row] for row in rows],
            "affected": done.affected,
            "insert_id": done.insert_id,
            "position": bool(done.position),
        }

    async def do_batch(self, command: Command) -> dict[str, Any]:
        rows = [{name: value(item) for name, item in row.items()} for row in command["rows"]]
        sql = _BIND.sub(lambda match: f"%({match[1]})s", command["sql"])
        return {"affected": (await self.sessions[command["on"]].executemany(sql, rows)).affected}

    async def do_begin(self, command: Command) -> dict[str, Any]:
        await self.sessions[command["on"]].begin({"read_only": command.get("read_only")})
        return {}

    async def do_commit(self, command: Command) -> dict[str, Any]:
        await self.sessions[command["on"]].commit()
        return {}

    async def do_rollback(self, command: Command) -> dict[str, Any]:
        await self.sessions[command["on"]].rollback()
        return {}

    async def do_start(self, command: Command) -> dict[str, Any]:
        session = self.sessions[command["on"]]
        self.running[command["as"]] = session, asyncio.ensure_future(self._query(session, command))
        await asyncio.sleep(0)
        return {}

    async def do_cancel(self, command: Command) -> dict[str, Any]:
        self.running[command["on"]][0].cancel()
        return {}

    async def do_wait(self, command: Command) -> dict[str, Any]:
        return await self.running[command["on"]][1]

    async def do_stream(self, command: Command) -> dict[str, Any]:
        sql, arguments, options = statement(command)
        self.streams[command["as"]] = self.sessions[command["on"]].cursor(sql, *arguments, **options)
        return {}

    async def do_next(self, command: Command) -> dict[str, Any]:
        rows = await self.streams[command["on"]].fetch(command["count"])
        return {"rows": [[cell(content) for content in row] for row in rows]}

    async def do_stop(self, command: Command) -> dict[str, Any]:
        await self.streams.pop(command["on"]).close()
        return {}

    async def do_close(self, command: Command) -> dict[str, Any]:
        await self.sessions.pop(command["on"]).close()
        return {}


async def main() -> None:
    """Answers commands until there are no more."""
    adapter = Adapter()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await adapter.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
