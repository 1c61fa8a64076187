"""Outcomes, and what a client sends again by itself."""

from __future__ import annotations

import time
from typing import Any

from ..bench import Bench, behaviour


def _error(code: str, errno: int, **fields: Any) -> dict[str, Any]:
    return {"errno": errno, "sqlstate": "HY000", "code": code, "executed": "no", **fields}


def _then(*answers: dict[str, Any] | None) -> Any:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@behaviour("repeated-when-not-executed")
def _(bench: Bench) -> None:
    for code, errno in (("unavailable", 61002), ("draining", 1053), ("throttled", 61001), ("exhausted", 1203)):
        with bench.scripted(_then(_error(code, errno, retryable=True), {"affected": 1})) as gate:
            bench.connect(gate.url(), code)
            assert bench.query("INSERT", code)["affected"] == 1
            assert gate.statements == ["INSERT", "INSERT"]


@behaviour("never-repeated")
def _(bench: Bench) -> None:
    for code, errno, fields in (
        ("unavailable", 61002, {"executed": "unknown", "retryable": True}),
        ("unavailable", 61002, {"executed": "partial", "retryable": True}),
        ("conflict", 1213, {"retryable": False}),
        ("outcome_unknown", 61006, {"executed": "unknown"}),
        ("constraint", 1062, {}),
    ):
        with bench.scripted(_then(_error(code, errno, **fields))) as gate:
            name = f"{code}{fields}"
            bench.connect(gate.url(), name)
            bench.fails(code, "INSERT", name)
            assert gate.statements == ["INSERT"], (code, fields)


@behaviour("connection-lost")
def _(bench: Bench) -> None:
    with bench.scripted(_then(None)) as gate:
        bench.connect(gate.url())
        failed = bench.fails("outcome_unknown", "INSERT")
        assert (failed.executed, failed.retryable) == ("unknown", False)
        assert gate.statements == ["INSERT"]


@behaviour("connection-lost-after-execution")
def _(bench: Bench) -> None:
    with bench.proxy() as proxy:
        bench.connect(proxy.url())
        table = bench.table()
        bench.query("SELECT 1")
        proxy.down = lambda _: (b"", False)
        bench.fails("outcome_unknown", f"INSERT INTO {table} VALUES (1, 0)")
        proxy.restore()
        assert bench.value(f"SELECT COUNT(*) FROM {table}") == {"int": "1"}


@behaviour("waits-as-asked")
def _(bench: Bench) -> None:
    with bench.scripted(_then(_error("throttled", 61001, retryable=True, retry_after_ms=400), {})) as gate:
        bench.connect(gate.url())
        started = time.monotonic()
        bench.query("INSERT")
        assert time.monotonic() - started >= 0.4


@behaviour("waits-not-beyond-the-deadline")
def _(bench: Bench) -> None:
    with bench.scripted(_then(_error("throttled", 61001, retryable=True, retry_after_ms=60_000))) as gate:
        bench.connect(gate.url())
        started = time.monotonic()
        bench.fails("throttled", "INSERT", deadline_ms=1000)
        assert time.monotonic() - started < 5


@behaviour("unknown-code")
def _(bench: Bench) -> None:
    with bench.scripted(_then(_error("tomorrow", 61999, message="new"))) as gate:
        bench.connect(gate.url())
        failed = bench.fails("tomorrow", "INSERT")
        assert (failed.errno, failed.executed, failed.retryable) == (61999, "no", False)


@behaviour("garbage")
def _(bench: Bench) -> None:
    with bench.proxy() as proxy:
        bench.connect(proxy.url())
        bench.query("SELECT 1")
        proxy.down = lambda data: (b"\xff" * len(data), True)
        assert bench.fails("outcome_unknown", "SELECT 1").executed == "unknown"
        proxy.restore()
        assert bench.value("SELECT 1") == {"int": "1"}
