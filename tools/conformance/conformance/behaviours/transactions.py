"""Transactions, savepoints, and those that are lost."""

from __future__ import annotations

from typing import Any

from ..bench import Bench, behaviour


def begun(bench: Bench, url: str | None = None) -> str:
    """A table, and session ``c`` in a transaction that has inserted row 1 into it; ``url`` if not the gate's own."""
    bench.connect(url)
    table = bench.table()
    bench.adapter.call("begin", on="c")
    bench.query(f"INSERT INTO {table} VALUES (1, 0)")
    return table


@behaviour("commit")
def _(bench: Bench) -> None:
    table = begun(bench)
    assert bench.count(table) == 0
    bench.adapter.call("commit", on="c")
    assert bench.count(table) == 1


@behaviour("rollback")
def _(bench: Bench) -> None:
    table = begun(bench)
    bench.adapter.call("rollback", on="c")
    assert bench.count(table) == 0
    bench.query(f"INSERT INTO {table} VALUES (2, 0)")
    assert bench.count(table) == 1


@behaviour("savepoint")
def _(bench: Bench) -> None:
    table = begun(bench)
    bench.query("SAVEPOINT here")
    bench.query(f"INSERT INTO {table} VALUES (2, 0)")
    bench.query("ROLLBACK TO SAVEPOINT here")
    bench.adapter.call("commit", on="c")
    assert bench.count(table) == 1


@behaviour("read-only-transaction")
def _(bench: Bench) -> None:
    bench.connect()
    table = bench.table()
    bench.adapter.call("begin", on="c", read_only=True)
    try:
        bench.query(f"INSERT INTO {table} VALUES (1, 0)")
    except Exception as error:
        assert getattr(error, "errno", None) == 1792, error
    else:
        raise AssertionError("a read-only transaction has written")
    bench.adapter.call("rollback", on="c")


@behaviour("close-rolls-back")
def _(bench: Bench) -> None:
    table = begun(bench)
    bench.adapter.call("close", on="c")
    bench.connect(name="d")
    bench.query(f"INSERT INTO {table} VALUES (1, 5)", "d", deadline_ms=10_000)
    assert bench.count(table) == 1


@behaviour("error-inside-a-transaction")
def _(bench: Bench) -> None:
    table = begun(bench)
    failed = bench.fails("constraint", f"INSERT INTO {table} VALUES (1, 0)")
    assert (failed.errno, failed.executed, failed.retryable) == (1062, "no", False)
    bench.query(f"INSERT INTO {table} VALUES (2, 0)")
    bench.adapter.call("commit", on="c")
    assert bench.count(table) == 2


@behaviour("transaction-lost")
def _(bench: Bench) -> None:
    with bench.proxy() as proxy:
        table = begun(bench, proxy.url())
        proxy.cut()
        for id in (2, 3):
            bench.fails("tx_lost", f"INSERT INTO {table} VALUES ({id}, 0)")
        bench.adapter.call("rollback", on="c")
        bench.query(f"INSERT INTO {table} VALUES (4, 0)")
        assert bench.count(table) == 1


@behaviour("commit-without-an-answer")
def _(bench: Bench) -> None:
    with bench.proxy() as proxy:
        table = begun(bench, proxy.url())
        proxy.down = lambda _: (b"", False)
        assert bench.refused("outcome_unknown", "commit", on="c").executed == "unknown"
        assert bench.count(table) == 1


@behaviour("conflict-inside-a-transaction")
def _(bench: Bench) -> None:
    answers: list[dict[str, Any]] = [
        {"in_tx": True},
        {"errno": 1213, "sqlstate": "40001", "code": "conflict", "executed": "no", "retryable": True},
        {},
    ]
    with bench.scripted(lambda _: answers.pop(0) if len(answers) > 1 else answers[0]) as gate:
        bench.connect(gate.url())
        bench.adapter.call("begin", on="c")
        assert bench.fails("conflict", "UPDATE t SET n = 1 WHERE id = 1").retryable
        assert gate.statements[:2] == ["begin", "UPDATE t SET n = 1 WHERE id = 1"]
        assert len([sql for sql in gate.statements if sql.startswith("UPDATE")]) == 1


@behaviour("position")
def _(bench: Bench) -> None:
    bench.connect()
    table = bench.table()
    assert bench.query(f"INSERT INTO {table} VALUES (1, 0)")["position"] is True
    assert bench.query("SELECT 1")["position"] is False
