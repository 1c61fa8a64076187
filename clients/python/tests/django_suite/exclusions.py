"""What of Django's tests is not run through Vitrail, though Django's own MySQL backend runs it, and why.

Beyond this list, tests are not run that ask for a feature which ``vitrail.django.features`` says a keyspace has not.
"""

from __future__ import annotations

#: Whatever the database is.
ALWAYS = {
    "backends.mysql.test_schema.SchemaEditorTests.test_quote_value": "compares with the literals that mysqlclient writes",
}

#: Through Vitrail.
TESTS = {
    "backends.mysql.test_introspection.TestCrossDatabaseRelations.test_omit_cross_database_relations": (
        "a foreign key to a table of another keyspace: information_schema shows no name of a database behind it"
    ),
    "backends.mysql.tests.IsolationLevelTests.test_auto_is_null_auto_config": (
        "looks at the statement that a connection begins with: there is none, settings are a part of opening the session"
    ),
}

_EXPLAIN = "MySQL explains only what goes to one shard"
_PARENTHESES = "a UNION of SELECTs in parentheses, as an operand, is not read where the gate has to understand the statement"

#: Beside those, where keyspaces have more than one shard.
OVER_SHARDS = {
    "queries.test_explain.ExplainTests.test_basic": _EXPLAIN,
    "queries.test_explain.ExplainTests.test_multi_page_text_explain": _EXPLAIN,
    "queries.test_explain.ExplainTests.test_mysql_analyze": _EXPLAIN,
    "queries.test_explain.ExplainTests.test_mysql_text_to_traditional": _EXPLAIN,
    "queries.test_qs_combinators.QuerySetSetOperationTests.test_union_empty_slice": "takes the first row without ORDER BY",
    "queries.test_qs_combinators.QuerySetSetOperationTests.test_union_in_subquery": _PARENTHESES,
    "queries.test_qs_combinators.QuerySetSetOperationTests.test_union_in_subquery_related_outerref": _PARENTHESES,
}
