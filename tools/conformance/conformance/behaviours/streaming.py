"""Streams with back-pressure and early close, batches, cancel and deadlines."""

from __future__ import annotations

import time

from ..bench import Bench, behaviour

_ROWS = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_"


@behaviour("stream")
def _(bench: Bench) -> None:
    bench.connect()
    bench.adapter.call("stream", **{"as": "s"}, on="c", sql="SELECT seq FROM seq_1_to_5000")
    found: list[str] = []
    while rows := bench.adapter.call("next", on="s", count=1000)["rows"]:
        found += [row[0]["int"] for row in rows]
    assert found == [str(number) for number in range(1, 5001)]


@behaviour("stream-back-pressure")
def _(bench: Bench) -> None:
    with bench.pair() as (alone, _):
        bench.connect(alone.url())
        bench.adapter.call("stream", **{"as": "s"}, on="c", sql=f"{_ROWS}50000")
        assert len(bench.adapter.call("next", on="s", count=1)["rows"]) == 1
        sent = 0.0
        for _ in range(10):
            time.sleep(0.05)
            sent = alone.metric("vitrail_sent_bytes_total")
        assert sent < 4 << 20, f"{sent:.0f} bytes were sent to who reads one row"
        bench.adapter.call("stop", on="s")


@behaviour("stream-early-close")
def _(bench: Bench) -> None:
    bench.connect()
    mark = f"early_{bench.stage.number()}_close"
    for _ in range(5):
        bench.adapter.call("stream", **{"as": "s"}, on="c", sql=f"{_ROWS}1000000, (SELECT '{mark}') x")
        assert len(bench.adapter.call("next", on="s", count=2)["rows"]) == 2
        bench.adapter.call("stop", on="s")
        assert bench.value("SELECT 5") == {"int": "5"}
    bench.ends(mark)


@behaviour("stream-holds-up-nobody")
def _(bench: Bench) -> None:
    bench.connect()
    bench.adapter.call("session", of="c", **{"as": "d"})
    bench.adapter.call("stream", **{"as": "s"}, on="c", sql=f"{_ROWS}1000000")
    assert len(bench.adapter.call("next", on="s", count=1)["rows"]) == 1
    assert len(bench.query("SELECT seq FROM seq_1_to_2000", "d")["rows"]) == 2000
    bench.adapter.call("stop", on="s")


@behaviour("row-above-a-frame")
def _(bench: Bench) -> None:
    bench.connect()
    rows = bench.query("SELECT REPEAT('a', 1000000), 1 UNION ALL SELECT REPEAT('b', 2), 2")["rows"]
    assert [len(row[0]["text"]) for row in rows] == [1_000_000, 2]


@behaviour("rows-capped")
def _(bench: Bench) -> None:
    bench.connect()
    assert len(bench.query("SELECT seq FROM seq_1_to_100", max_rows=3)["rows"]) == 3


@behaviour("batch")
def _(bench: Bench) -> None:
    bench.connect()
    table = bench.table()
    rows = [{"id": {"int": str(number)}} for number in range(300)]
    assert bench.adapter.call("batch", on="c", sql=f"INSERT INTO {table} (id) VALUES (:id)", rows=rows)["affected"] == 300
    assert bench.count(table) == 300


@behaviour("batch-fails")
def _(bench: Bench) -> None:
    bench.connect()
    table = bench.table()
    rows = [{"id": {"int": str(number)}} for number in (1, 2, 1, 3)]
    failed = bench.refused("constraint", "batch", on="c", sql=f"INSERT INTO {table} (id) VALUES (:id)", rows=rows)
    assert (failed.errno, failed.item) == (1062, 2)
    assert bench.count(table) == 0


@behaviour("deadline")
def _(bench: Bench) -> None:
    bench.connect()
    mark = f"deadline_{bench.stage.number()}_kills"
    started = time.monotonic()
    assert bench.fails("deadline", f"SELECT SLEEP(30), '{mark}'", deadline_ms=300).errno == 3024
    assert time.monotonic() - started < 10
    bench.ends(mark)
    assert bench.value("SELECT 1") == {"int": "1"}


@behaviour("deadline-without-an-answer")
def _(bench: Bench) -> None:
    with bench.proxy() as proxy:
        bench.connect(proxy.url())
        bench.query("SELECT 1")
        proxy.down = lambda _: (b"", True)
        started = time.monotonic()
        assert bench.fails("outcome_unknown", "SELECT 1", deadline_ms=300).executed == "unknown"
        assert time.monotonic() - started < 6
        proxy.restore()
        assert bench.value("SELECT 1") == {"int": "1"}


@behaviour("cancel")
def _(bench: Bench) -> None:
    bench.connect()
    mark = f"cancel_{bench.stage.number()}_kills"
    bench.adapter.call("start", **{"as": "q"}, on="c", sql=f"SELECT SLEEP(30), '{mark}'")
    bench.runs(mark)
    bench.adapter.call("cancel", on="q")
    assert bench.refused("cancelled", "wait", on="q").errno == 1317
    bench.ends(mark)
    assert bench.value("SELECT 1") == {"int": "1"}


@behaviour("cancel-late")
def _(bench: Bench) -> None:
    bench.connect()
    bench.adapter.call("start", **{"as": "q"}, on="c", sql="SELECT 7")
    assert bench.adapter.call("wait", on="q")["rows"] == [[{"int": "7"}]]
    bench.adapter.call("cancel", on="q")
    assert bench.value("SELECT 1") == {"int": "1"}
