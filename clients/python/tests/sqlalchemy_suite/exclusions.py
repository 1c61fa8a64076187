"""What of SQLAlchemy's suite is not run through Vitrail, though it is over SQLAlchemy's own MySQL drivers, and why."""

from __future__ import annotations

_SERVERS = "databases are made on each MySQL, and named in the gate's configuration"
_KEYSPACES = "a join of tables of two unsharded keyspaces is refused (`cross-keyspace`)"

#: Requirements of the suite, by name.
REQUIREMENTS = {
    "schema_create_delete": _SERVERS,
}

#: Tests that no requirement stands for: ``Class::test`` means all of its parameters.
TESTS = {
    "TableViaSelectTest::test_without_metadata[use_schema0]": "CREATE TABLE … SELECT reads a table of another keyspace",
    "SameNamedSchemaTableTest::test_simple_join_both_tables": _KEYSPACES,
    "SameNamedSchemaTableTest::test_simple_join_whereclause_only": _KEYSPACES,
    "SameNamedSchemaTableTest::test_subquery": _KEYSPACES,
}

#: The same, where keyspaces have more than one shard.
TESTS_OVER_SHARDS: dict[str, str] = {}
