"""A gate whose keyspaces are what the suite takes for databases: of one shard each, or of two."""

from __future__ import annotations

import json
from pathlib import Path

from support.servers import Gate, MariaDB

#: That of the connection, and the two that the suite qualifies tables with.
KEYSPACES = ("suite", "test_schema", "test_schema_2")
#: How the tables of a keyspace with several shards are told apart by their rows; with one shard nothing need be told.
TABLES = Path(__file__).with_name("sharded_tables.json")
#: Names of the shards by how many there are.
RANGES = {1: ("0",), 2: ("-80", "80-")}


def tables() -> dict[str, dict[str, str]]:
    """The tables of keyspaces with several shards by name: ``column`` and ``vindex`` of those whose rows lie on one shard each,
    and ``numbered``, the column that a sequence fills. Of the others all shards have all rows."""
    found: dict[str, dict[str, str]] = json.loads(TABLES.read_text(encoding="utf-8"))
    return found


def sequence(keyspace: str, table: str) -> str:
    """The sequence of a table, in keyspace ``main``."""
    return f"{keyspace}_{table}_numbers"


def suite_gate(folder: Path, mariadb: MariaDB, shards: int) -> Gate:
    """``vitrail serve`` over keyspaces of so many shards. It allows writes of all rows: the suite empties its tables by them."""
    folder.mkdir()
    lines = ['[gate]\nfull_writes = "allow"\n']
    known = tables() if shards > 1 else {}
    if shards > 1:
        lines.append('[keyspaces.main]\nvschema = "main.vschema.json"\n')
        sequences = [sequence(keyspace, name) for keyspace in KEYSPACES for name, how in known.items() if "numbered" in how]
        (folder / "main.vschema.json").write_text(json.dumps({"tables": {name: {"type": "sequence"} for name in sequences}}))
        mariadb.sql("".join(_CREATE_SEQUENCE.format(name) for name in sequences))
    for keyspace in KEYSPACES:
        if shards > 1:
            (folder / f"{keyspace}.vschema.json").write_text(json.dumps(_vschema(keyspace, known)))
            lines.append(f'[keyspaces.{keyspace}]\nvschema = "{keyspace}.vschema.json"\n')
        for number, name in enumerate(RANGES[shards]):
            # One shard has the keyspace's name: so a foreign key, which MySQL gets as it is written, may lead to another keyspace.
            database = keyspace if shards == 1 else f"{keyspace}_{number}"
            mariadb.sql(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
            mysql = f'{{ host = "127.0.0.1", port = {mariadb.port}, user = "vitrail", password = "secret" }}'
            lines.append(f'[[keyspaces.{keyspace}.shards]]\nname = "{name}"\ndatabase = "{database}"\nmysql = {mysql}\n')
    return Gate(folder, mariadb, extra="".join(lines))


_CREATE_SEQUENCE = (
    "CREATE TABLE main.`{0}` (id INT PRIMARY KEY, next_id BIGINT NOT NULL, cache BIGINT NOT NULL);"
    "INSERT INTO main.`{0}` VALUES (0, 1, 1);"
)


def _vschema(keyspace: str, known: dict[str, dict[str, str]]) -> dict[str, object]:
    """The vschema of a keyspace: each table by its column and vindex, or as one that all shards have whole."""
    described: dict[str, object] = {}
    for name, how in known.items():
        if "column" not in how:
            described[name] = {"type": "reference"}
            continue
        table: dict[str, object] = {"column_vindexes": [{"column": how["column"], "name": how["vindex"]}]}
        if "numbered" in how:
            table["auto_increment"] = {"column": how["numbered"], "sequence": f"main.{sequence(keyspace, name)}"}
        described[name] = table
    kinds = sorted({how["vindex"] for how in known.values() if "vindex" in how})
    return {"sharded": True, "vindexes": {kind: {"type": kind} for kind in kinds}, "tables": described}
