"""Values, DDL, and statements for people, as the Django backend has them."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import uuid
from typing import Any

import pytest
from django.core.management.color import no_style
from django.db import DatabaseError
from django_backend.connecting import open_connection, rows
from support.servers import Gate

import vitrail
from vitrail.django.literals import literal

# === values ===


def test_rows_stream_where_they_are_iterated(wrapper: Any) -> None:
    query = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
    cursor = wrapper.chunked_cursor()
    cursor.execute(query)
    assert cursor.rowcount in (-1, 3) and cursor.fetchone() == (1,)
    assert rows(wrapper, "SELECT 4") == [(4,)]
    assert cursor.fetchmany(5) == [(2,), (3,)] and cursor.fetchmany(5) == wrapper.features.empty_fetchmany_value
    wrapper.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
    in_memory = wrapper.chunked_cursor()
    in_memory.execute(query)
    wrapper.connection.rollback()
    assert in_memory.fetchall() == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("sql", "values", "shown"),
    [
        ("SELECT 1 %% 2", None, "SELECT 1 %% 2"),
        ("SELECT %s, '%%', %s", ("a'b", None), "SELECT 'a''b', '%', NULL"),
        ("SELECT %(a)s, %(a)s", {"a": 1}, "SELECT 1, 1"),
        ("SELECT 1 IN %s", ((1, 2),), "SELECT 1 IN (1, 2)"),
        ("SELECT %s", (datetime.timedelta(1),), "SELECT datetime.timedelta(days=1)"),
        ("SELECT %s", (1, 2), "SELECT %s with (1, 2)"),
    ],
)
def test_what_was_run_is_shown(wrapper: Any, sql: str, values: Any, shown: str) -> None:
    with contextlib.suppress(DatabaseError), wrapper.cursor() as cursor:
        cursor.execute(sql, values)
    assert wrapper.ops.last_executed_query(cursor, "", None) == shown


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        1.5,
        1e300,
        decimal.Decimal("1E+3"),
        'it\'s 100 % \\ \n\r\0\x1a "é" `x`',
        b"\x00'\\\xff",
        datetime.date(2026, 11, 27),
        datetime.datetime(2026, 11, 27, 1, 2, 3, 45),
        datetime.time(1, 2, 3),
        uuid.UUID(int=7),
    ],
)
@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES"])
def test_literals_are_what_they_say(wrapper: Any, value: Any, mode: str) -> None:
    """Read as a literal and as a bind, a value is the same."""
    rows(wrapper, "SET sql_mode = %s", [mode])
    written = literal(value, backslashes=not mode)
    [[same]] = rows(wrapper, f"SELECT {written} <=> ".replace("%", "%%") + "%s", [value])
    assert same == 1
    if isinstance(value, str):
        assert rows(wrapper, f"SELECT {written}") == [(value,)]


def test_what_has_no_literal() -> None:
    with pytest.raises(vitrail.DataError, match="type object has no literal"):
        literal(object())


def test_a_time_of_day_and_a_duration(wrapper: Any) -> None:
    query = "SELECT TIME'23:59:59.5', TIME'24:00:00', TIME'-00:00:01', CAST(NULL AS TIME)"
    expected = (datetime.time(23, 59, 59, 500000), datetime.timedelta(days=1), -datetime.timedelta(seconds=1), None)
    # The second time, the gate leaves out the columns that the client knows.
    for _ in range(2):
        assert rows(wrapper, query) == [expected]
    streaming = wrapper.chunked_cursor()
    streaming.execute(query)
    assert streaming.fetchone() == expected


def test_ddl_has_its_values_inside(wrapper: Any) -> None:
    with wrapper.schema_editor() as editor:
        editor.execute(
            "ALTER TABLE t ADD note VARCHAR(20) NOT NULL DEFAULT %s, ADD share INT DEFAULT %s, COMMENT '100%%'", ["it's", 7]
        )
    with wrapper.cursor() as cursor:
        described = {field.name: field for field in wrapper.introspection.get_table_description(cursor, "t")}
        [found] = [item for item in wrapper.introspection.get_table_list(cursor) if item.name == "t"]
        constraints = wrapper.introspection.get_constraints(cursor, "t")
    assert found.comment == "100%"
    assert described["note"].default in ("'it''s'", "'it\\'s'") and described["share"].default == "7"
    assert described["id"].data_type == "bigint" and constraints["PRIMARY"]["columns"] == ["id"]
    assert wrapper.introspection.get_field_type(described["name"].type_code, described["name"]) == "CharField"


def test_a_flush_may_write_all_rows(gate: Gate, wrapper: Any) -> None:
    rows(wrapper, "INSERT INTO t (id) VALUES (1), (2)")
    sharded = open_connection(gate, "shop", "other")
    rows(sharded, "INSERT IGNORE INTO orders (id) VALUES (1), (2), (3)")
    with pytest.raises(DatabaseError, match="WHERE"):
        rows(sharded, "DELETE FROM orders")
    for found, name in ((wrapper, "t"), (sharded, "orders")):
        found.ops.execute_sql_flush(found.ops.sql_flush(no_style(), [name]))
        assert rows(found, f"SELECT COUNT(*) FROM {name}") == [(0,)]
    sharded.close()
    allowed = open_connection(gate, "shop", "other", OPTIONS={"variables": {"vitrail_allow_full_writes": "1"}})
    rows(allowed, "INSERT INTO orders (id) VALUES (1), (2)")
    rows(allowed, "DELETE FROM orders")
    assert rows(allowed, "SELECT COUNT(*) FROM orders") == [(0,)]
    allowed.close()
