"""A gate whose keyspaces are what Django's tests take for databases: of one shard each, or of two."""

from __future__ import annotations

import json
from pathlib import Path

from support.servers import Gate, MariaDB

#: Django's test databases by alias.
KEYSPACES = {"default": "suite", "other": "suite_other"}
#: How the tables of a keyspace with several shards are told apart by their rows; with one shard nothing need be told.
TABLES = Path(__file__).with_name("sharded_tables.json")
_RANGES = {1: ("0",), 2: ("-80", "80-")}
_CREATE_SEQUENCE = (
    "CREATE TABLE main.`{0}` (id INT PRIMARY KEY, next_id BIGINT NOT NULL, cache BIGINT NOT NULL);"
    "INSERT INTO main.`{0}` VALUES (0, 1, 1);"
)


def suite_gate(folder: Path, mariadb: MariaDB, shards: int) -> Gate:
    """``vitrail serve`` over keyspaces of so many shards. It allows writes of all rows: Django's querysets have them."""
    folder.mkdir()
    lines = ['[gate]\nfull_writes = "allow"\n']
    tables: dict[str, dict[str, str]] = json.loads(TABLES.read_text(encoding="utf-8")) if shards > 1 else {}
    if shards > 1:
        sequences = [name for keyspace in KEYSPACES.values() for name in _sequences(keyspace, tables).values()]
        mariadb.sql("".join(_CREATE_SEQUENCE.format(name) for name in sequences))
        (folder / "main.vschema.json").write_text(json.dumps({"tables": {name: {"type": "sequence"} for name in sequences}}))
        lines.append('[keyspaces.main]\nvschema = "main.vschema.json"\n')
    for keyspace in KEYSPACES.values():
        if shards > 1:
            (folder / f"{keyspace}.vschema.json").write_text(json.dumps(_vschema(keyspace, tables)))
            lines.append(f'[keyspaces.{keyspace}]\nvschema = "{keyspace}.vschema.json"\n')
        for number, name in enumerate(_RANGES[shards]):
            # One shard has the keyspace's name: so a foreign key, which MySQL gets as it is written, may lead to another keyspace.
            database = keyspace if shards == 1 else f"{keyspace}_{number}"
            mariadb.sql(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
            mysql = f'{{ host = "127.0.0.1", port = {mariadb.port}, user = "vitrail", password = "secret" }}'
            lines.append(f'[[keyspaces.{keyspace}.shards]]\nname = "{name}"\ndatabase = "{database}"\nmysql = {mysql}\n')
    return Gate(folder, mariadb, extra="".join(lines))


def _sequences(keyspace: str, tables: dict[str, dict[str, str]]) -> dict[str, str]:
    """The sequences of a keyspace's tables, in keyspace ``main``. Some tables have too long a name for one with it inside."""
    numbered = [name for name, how in tables.items() if "numbered" in how]
    return {name: f"{keyspace}_numbers_{number}" for number, name in enumerate(numbered)}


def _vschema(keyspace: str, tables: dict[str, dict[str, str]]) -> dict[str, object]:
    """The vschema of a keyspace: each table by its column and vindex, or as one that all shards have whole."""
    described: dict[str, object] = {}
    sequences = _sequences(keyspace, tables)
    for name, how in tables.items():
        table: dict[str, object] = {"type": "reference"}
        if "column" in how:
            table = {"column_vindexes": [{"column": how["column"], "name": how["vindex"]}]}
        if "numbered" in how:
            table["auto_increment"] = {"column": how["numbered"], "sequence": f"main.{sequences[name]}"}
        described[name] = table
    kinds = sorted({how["vindex"] for how in tables.values() if "vindex" in how})
    return {"sharded": True, "vindexes": {kind: {"type": kind} for kind in kinds}, "tables": described}
