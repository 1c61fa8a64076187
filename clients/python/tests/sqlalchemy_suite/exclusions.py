"""What of SQLAlchemy's suite is not run through Vitrail, though it is over SQLAlchemy's own MySQL drivers, and why."""

from __future__ import annotations

_SERVERS = "databases are made on each MySQL, and named in the gate's configuration"

#: Requirements of the suite, by name.
REQUIREMENTS = {
    "schema_create_delete": _SERVERS,
}

#: Tests that no requirement stands for: ``Class::test`` means all of its parameters.
TESTS = {
    "TableViaSelectTest::test_without_metadata[use_schema0]": "CREATE TABLE … SELECT reads a table of another keyspace",
}

_TEMPORARY = "a temporary table is of one shard, which the target has to name (`pin-needs-shard`)"
_SELECTED = "rows of CREATE TABLE … SELECT would not be on their shards (`ddl-select`)"
_FOREIGN_KEY = "a foreign key to a row of another shard: MySQL checks it on the row's own"

#: Requirements that are not met where keyspaces have more than one shard.
REQUIREMENTS_OVER_SHARDS = {
    "create_table_as": _SELECTED,
    "create_temp_table_as": _SELECTED,
    "cross_schema_fk_reflection": "a foreign key names a database of MySQL, of which a keyspace has several",
    "has_temp_table": _TEMPORARY,
    "temp_table_comment_reflection": _TEMPORARY,
    "temp_table_reflection": _TEMPORARY,
    "temporary_tables": _TEMPORARY,
}

#: Tests that are not run there.
TESTS_OVER_SHARDS = {
    "CTETest::test_delete_from_round_trip": _FOREIGN_KEY,
    "CTETest::test_delete_scalar_subq_round_trip": _FOREIGN_KEY,
    "CTETest::test_insert_from_select_round_trip": _FOREIGN_KEY,
    "CTETest::test_select_nonrecursive_round_trip": _FOREIGN_KEY,
    "CTETest::test_select_recursive_round_trip": _FOREIGN_KEY,
    "CTETest::test_update_from_round_trip": _FOREIGN_KEY,
    "CTETest::test_values_named_via_cte": _FOREIGN_KEY,
    "ReturningTest::test_insertmanyvalues_returning": "compares rows that are read without ORDER BY with those that were written",
    "TableViaSelectTest::test_without_metadata[plain0]": _SELECTED,
    "TableViaSelectTest::test_without_metadata[plain1]": _SELECTED,
}
