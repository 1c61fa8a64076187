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

_TEMPORARY = "a temporary table is of one shard, which the target has to name (`pin-needs-shard`)"
_VIEWS = "views of a sharded keyspace are made on each MySQL"
_VIEWS_OF_FIXTURE = "the fixture of its class makes a view whatever the requirements say, and views are made on each MySQL"
_SELECTED = "rows of CREATE TABLE … SELECT would not be on their shards (`ddl-select`)"
_FETCH = "FETCH in place of LIMIT is refused over shards, also WITH TIES"
_FOREIGN_KEY = "a foreign key to a row of another shard: MySQL checks it on the row's own"
_REFERENCE = "INSERT … RETURNING into a reference table answers no rows"
_LOCKING = "SELECT … FOR UPDATE without a table is not understood in a sharded keyspace"

#: Requirements that are not met where keyspaces have more than one shard.
REQUIREMENTS_OVER_SHARDS = {
    "create_or_replace_view": _VIEWS,
    "create_table_as": _SELECTED,
    "create_temp_table_as": _SELECTED,
    "cross_schema_fk_reflection": "a foreign key names a database of MySQL, of which a keyspace has several",
    "fetch_first": _FETCH,
    "fetch_no_order_by": _FETCH,
    "fetch_ties": _FETCH,
    "has_temp_table": _TEMPORARY,
    "temp_table_comment_reflection": _TEMPORARY,
    "temp_table_reflection": _TEMPORARY,
    "temporary_tables": _TEMPORARY,
    "view_column_reflection": _VIEWS,
    "view_reflection": _VIEWS,
    "views": _VIEWS,
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
    "ComponentReflectionTest::test_get_view_names": _VIEWS,
    "HasTableTest::test_has_multi_table": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_multi_table_schema": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_cache": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_nonexistent_schema": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_schema": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_temp_table": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_temp_view": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_view": _VIEWS_OF_FIXTURE,
    "HasTableTest::test_has_table_view_schema": _VIEWS_OF_FIXTURE,
    "InsertBehaviorTest::test_empty_insert": "INSERT … () VALUES () is not taken apart",
    "PercentSchemaNamesTest::test_executemany_returning_roundtrip": _REFERENCE,
    "ReturningGuardsTest::test_insert_many": _REFERENCE,
    "ReturningGuardsTest::test_insert_single": _REFERENCE,
    "ReturningTest::test_insertmanyvalues_returning": "compares rows that are read without ORDER BY with those that were written",
    "ServerSideCursorsTest::test_ss_cursor_status[for_update_expr]": _LOCKING,
    "ServerSideCursorsTest::test_ss_cursor_status[for_update_string]": _LOCKING,
    "TableViaSelectTest::test_without_metadata[plain0]": _SELECTED,
    "TableViaSelectTest::test_without_metadata[plain1]": _SELECTED,
    "TableViaSelectTest::test_without_metadata[use_schema1]": _VIEWS,
}
