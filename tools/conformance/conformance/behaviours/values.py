"""Every type both ways, and how parameters are named."""

from __future__ import annotations

from typing import Any

from ..bench import Bench, behaviour

_POINT = "0101000000000000000000f03f0000000000000040"

#: Behaviour, type of the column, and values that are sent and read back; with a third part what is read instead.
TYPES: list[tuple[str, str, list[tuple[Any, ...]]]] = [
    ("type-integer", "BIGINT", [({"int": "0"},), ({"int": str(-(2**63))},), ({"int": str(2**63 - 1)},)]),
    ("type-unsigned", "BIGINT UNSIGNED", [({"int": str(2**64 - 1)},), ({"int": str(2**63)},)]),
    ("type-decimal", "DECIMAL(65,2)", [({"decimal": "9" * 63 + ".99"},), ({"decimal": "-0.50"},)]),
    ("type-double", "DOUBLE", [({"double": 0.1},), ({"double": 1.7976931348623157e308},), ({"double": -0.5},)]),
    ("type-float", "FLOAT", [({"double": 1.5},)]),
    ("type-boolean", "BOOL", [({"bool": True}, {"int": "1"}), ({"bool": False}, {"int": "0"})]),
    ("type-text", "VARCHAR(100)", [({"text": "O'Hare \\ \" `x` :a -- é🛫"},), ({"text": ""},), ({"text": "\0"},)]),
    ("type-long-text", "LONGTEXT", [({"text": "é" * 300_000},)]),
    ("type-bytes", "VARBINARY(300)", [({"bytes": bytes(range(256)).hex()},), ({"bytes": ""},)]),
    ("type-null", "INT", [({"null": True},)]),
    ("type-date", "DATE", [({"date": "2026-11-27"},), ({"date": "0001-01-01"},)]),
    ("type-zero-date", "DATE", [({"date": "0000-00-00"},)]),
    ("type-datetime", "DATETIME(6)", [({"datetime": "2026-11-27 08:45:00.000007"},)]),
    ("type-time", "TIME(6)", [({"time": "-838:59:59.000000"},), ({"time": "25:00:00.000001"},)]),
    ("type-year", "YEAR", [({"int": "2026"},)]),
    ("type-json", "JSON", [({"json": '{"a": [1, null]}'}, {"text": '{"a": [1, null]}'})]),
    ("type-bit", "BIT(12)", [({"bit": "0fff"}, {"bytes": "0fff"})]),
    ("type-geometry", "GEOMETRY", [({"geometry": "00000000" + _POINT}, {"bytes": "00000000" + _POINT})]),
    ("type-enum", "ENUM('a','b')", [({"text": "b"},)]),
    ("type-set", "SET('a','b','c')", [({"text": "a,c"},)]),
]


def _show(name: str, column: str, examples: list[tuple[Any, ...]]) -> None:
    @behaviour(name)
    def _(bench: Bench) -> None:
        bench.connect(variables={"sql_mode": "''"})
        table = f"conformance_{bench.stage.number()}"
        bench.stage.mariadb.sql(f"CREATE TABLE main.{table} (id INT PRIMARY KEY, v {column} NULL) CHARACTER SET utf8mb4")
        for id, example in enumerate(examples):
            binds = {"id": {"int": str(id)}, "v": example[0]}
            assert bench.query(f"INSERT INTO {table} (id, v) VALUES (:id, :v)", binds=binds)["affected"] == 1
            found = bench.value(f"SELECT v FROM {table} WHERE id = :id", binds={"id": {"int": str(id)}})
            assert found == example[-1], f"{found} was read where {example[-1]} was expected"


for _name, _column, _examples in TYPES:
    _show(_name, _column, _examples)


@behaviour("binds-by-name")
def _(bench: Bench) -> None:
    bench.connect()
    row = bench.query("SELECT :a, :b, :a", binds={"a": {"int": "1"}, "b": {"text": "x"}})["rows"][0]
    assert row == [{"int": "1"}, {"text": "x"}, {"int": "1"}]


@behaviour("binds-by-place")
def _(bench: Bench) -> None:
    bench.connect()
    row = bench.query("SELECT :v1, :v2", values=[{"int": "1"}, {"text": ":v1"}])["rows"][0]
    assert row == [{"int": "1"}, {"text": ":v1"}]


@behaviour("binds-as-lists")
def _(bench: Bench) -> None:
    bench.connect()
    table = bench.table()
    bench.query(f"INSERT INTO {table} VALUES (1, 1), (2, 2), (3, 3)")
    ids = {"list": [{"int": "1"}, {"int": "3"}]}
    assert len(bench.query(f"SELECT id FROM {table} WHERE id IN ::ids", binds={"ids": ids})["rows"]) == 2
    pairs = {"list": [{"tuple": [{"int": "1"}, {"int": "1"}]}, {"tuple": [{"int": "2"}, {"int": "9"}]}]}
    assert len(bench.query(f"SELECT id FROM {table} WHERE (id, n) IN ::pairs", binds={"pairs": pairs})["rows"]) == 1


@behaviour("upload")
def _(bench: Bench) -> None:
    bench.connect()
    text = "x" * 1_500_000
    assert bench.value("SELECT LENGTH(:t)", binds={"t": {"text": text}}) == {"int": "1500000"}


@behaviour("limit-of-a-message")
def _(bench: Bench) -> None:
    with bench.scripted(lambda _: {}, max_message=16_384) as gate:
        bench.connect(gate.url())
        failed = bench.fails("too_large", "SELECT :t", binds={"t": {"text": "x" * 20_000}})
        assert failed.executed == "no"
        assert gate.statements == []
