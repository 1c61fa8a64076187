"""Drain, reopening, and what becomes of a session when its gate goes."""

from __future__ import annotations

from typing import Any

from ..bench import Bench, behaviour


def _prepare(bench: Bench) -> None:
    bench.query("SET @mine = 7, sql_mode = 'ANSI_QUOTES'")
    bench.query("USE shop")


def _is_as_it_was(bench: Bench) -> None:
    [row] = bench.query("SELECT @mine, @@sql_mode, DATABASE()")["rows"]
    assert row == [{"int": "7"}, {"text": "ANSI_QUOTES"}, {"text": "shop"}], row


@behaviour("drain")
def _(bench: Bench) -> None:
    with bench.pair() as (first, _):
        bench.connect(first.url())
        _prepare(bench)
        first.drain()
        first.process.wait(20)
        _is_as_it_was(bench)


@behaviour("drain-inside-a-transaction")
def _(bench: Bench) -> None:
    with bench.pair() as (first, _):
        bench.connect(first.url())
        table = bench.table()
        bench.adapter.call("begin", on="c")
        bench.query(f"INSERT INTO {table} VALUES (1, 0)")
        first.drain()
        bench.query(f"INSERT INTO {table} VALUES (2, 0)")
        bench.adapter.call("commit", on="c")
        first.process.wait(20)
        assert bench.value(f"SELECT COUNT(*) FROM {table}") == {"int": "2"}


@behaviour("crash")
def _(bench: Bench) -> None:
    with bench.pair() as (first, _):
        bench.connect(first.url())
        _prepare(bench)
        first.stop()
        bench.until("the socket", lambda: first.process.poll() is not None)
        _is_as_it_was(bench)


@behaviour("crash-of-a-pinned-session")
def _(bench: Bench) -> None:
    with bench.pair() as (first, _):
        bench.connect(first.url())
        bench.query("CREATE TEMPORARY TABLE here (id INT)")
        first.stop()
        assert not bench.fails("session_lost", "SELECT * FROM here").retryable


@behaviour("reopening-takes-all-along")
def _(bench: Bench) -> None:
    state = {"target": "shop", "user_variables": {"a": "7", "b": "NULL"}, "prepared": {"p": "select 1"}, "last_insert_id": 9}
    draining = {"errno": 1053, "sqlstate": "08S01", "code": "draining", "executed": "no", "retryable": True}
    answers: list[dict[str, Any]] = [{"state": state}, draining, {}]
    with bench.scripted(lambda _: answers.pop(0) if len(answers) > 1 else answers[0]) as gate:
        bench.connect(gate.url())
        bench.query("SET")
        bench.query("SELECT")
        opened = [request["state"] for request in gate.requests if request["op"] == "open"]
        assert len(opened) == 2
        expected = {"target": "shop", "user_variables": {"a": "7"}, "prepared": {"p": "select 1"}, "last_insert_id": 9}
        assert {name: opened[1].get(name) for name in expected} == expected
