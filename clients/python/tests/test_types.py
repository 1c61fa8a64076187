"""All types of MySQL, both ways: sent as parameters, stored in columns, and read back."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import pytest

import vitrail
from vitrail import Bit, CharsetText, Geometry, Json

D = decimal.Decimal
POINT = bytes.fromhex("0101000000000000000000f03f0000000000000040")


class Color(str, enum.Enum):
    RED = "red"


COLUMNS: list[tuple[str, str, Any, Any]] = [
    ("TINYINT", "least", -128, -128),
    ("TINYINT UNSIGNED", "largest", 255, 255),
    ("TINYINT(1)", "a boolean", True, 1),
    ("SMALLINT", "least", -32768, -32768),
    ("MEDIUMINT UNSIGNED", "largest", 16777215, 16777215),
    ("INT", "least", -(2**31), -(2**31)),
    ("BIGINT", "least", -(2**63), -(2**63)),
    ("BIGINT", "largest", 2**63 - 1, 2**63 - 1),
    ("BIGINT UNSIGNED", "largest", 2**64 - 1, 2**64 - 1),
    ("DECIMAL(65,0)", "65 digits", 10**65 - 1, D(10**65 - 1)),
    ("DECIMAL(65,30)", "negative", D("-123.45"), D("-123.450000000000000000000000000000")),
    ("DECIMAL(10,2)", "small exponent", D("1E+3"), D("1000.00")),
    ("FLOAT", "six digits", 1.5, 1.5),
    ("DOUBLE", "largest", 1.7976931348623157e308, 1.7976931348623157e308),
    ("DOUBLE", "not exact", 0.1, 0.1),
    ("DOUBLE", "smallest", 5e-324, 5e-324),
    ("DATE", "a day", datetime.date(2026, 11, 27), datetime.date(2026, 11, 27)),
    ("DATE", "first day", datetime.date(1, 1, 1), datetime.date(1, 1, 1)),
    ("DATE", "zero date", "0000-00-00", "0000-00-00"),
    (
        "TIME",
        "negative, beyond a day",
        -datetime.timedelta(hours=838, minutes=59, seconds=59),
        -datetime.timedelta(hours=838, minutes=59, seconds=59),
    ),
    ("TIME(6)", "microseconds", datetime.timedelta(hours=25, microseconds=1), datetime.timedelta(hours=25, microseconds=1)),
    ("TIME", "of day", datetime.time(23, 59, 59), datetime.timedelta(hours=23, minutes=59, seconds=59)),
    ("TIME(3)", "negative fraction", -datetime.timedelta(milliseconds=500), -datetime.timedelta(milliseconds=500)),
    ("DATETIME", "no fraction", datetime.datetime(2026, 11, 27, 8, 45), datetime.datetime(2026, 11, 27, 8, 45)),
    ("DATETIME(6)", "microseconds", datetime.datetime(2026, 11, 27, 8, 45, 0, 7), datetime.datetime(2026, 11, 27, 8, 45, 0, 7)),
    ("DATETIME(3)", "milliseconds", datetime.datetime(2026, 1, 1, 0, 0, 0, 120000), datetime.datetime(2026, 1, 1, 0, 0, 0, 120000)),
    ("DATETIME", "zero", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
    ("TIMESTAMP(6) NULL", "microseconds", datetime.datetime(2026, 1, 2, 3, 4, 5, 6), datetime.datetime(2026, 1, 2, 3, 4, 5, 6)),
    ("YEAR", "year", 2026, 2026),
    ("CHAR(10)", "text", "é🛫", "é🛫"),
    ("VARCHAR(100)", "quotes", "O'Hare \\ \" `x` %s :v1 -- \0", "O'Hare \\ \" `x` %s :v1 -- \0"),
    ("VARCHAR(10)", "empty", "", ""),
    ("VARCHAR(40)", "uuid", uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ("VARCHAR(10)", "enumeration", Color.RED, "red"),
    ("TEXT", "long", "x" * 60_000, "x" * 60_000),
    ("LONGTEXT", "longer than a frame", "é" * 400_000, "é" * 400_000),
    ("BINARY(4)", "bytes", b"\0\xff'\\", b"\0\xff'\\"),
    ("VARBINARY(300)", "all bytes", bytes(range(256)), bytes(range(256))),
    ("BLOB", "bytearray", bytearray(b"\xff\xfe"), b"\xff\xfe"),
    ("LONGBLOB", "longer than a frame", b"\xff" * 600_000, b"\xff" * 600_000),
    ("BLOB", "memoryview", memoryview(b"ab"), b"ab"),
    ("ENUM('a','b')", "text", "b", "b"),
    ("SET('a','b','c')", "text", "a,c", "a,c"),
    ("BIT(1)", "one", Bit(1), b"\x01"),
    ("BIT(64)", "all", Bit(2**64 - 1), b"\xff" * 8),
    ("BIT(12)", "bytes", Bit(b"\x0f\xff"), b"\x0f\xff"),
    ("JSON", "document", Json({"a": [1, None, "é"]}), '{"a": [1, null, "é"]}'),
    ("GEOMETRY", "point", Geometry(POINT, srid=0), b"\0\0\0\0" + POINT),
    ("VARCHAR(10)", "latin1", CharsetText("café".encode("latin-1"), "latin1"), "café"),
]


@pytest.fixture(scope="module")
def autocommitting(gate: Any) -> Any:
    with vitrail.connect(gate.url(), autocommit=True, variables={"sql_mode": "''"}) as opened:
        yield opened


@pytest.mark.parametrize(
    ("column", "about", "value", "expected"), COLUMNS, ids=lambda part: part if isinstance(part, str) and len(part) < 30 else ""
)
def test_stored_and_read(autocommitting: vitrail.Connection, column: str, about: str, value: Any, expected: Any) -> None:
    cursor = autocommitting.cursor()
    cursor.execute("DROP TABLE IF EXISTS one")
    cursor.execute(f"CREATE TABLE one (id INT PRIMARY KEY, v {column}, w {column.removesuffix(' NULL')} NULL)")
    cursor.execute("INSERT INTO one VALUES (1, %s, %s)", (value, None))
    assert cursor.rowcount == 1
    cursor.execute("SELECT v, w FROM one WHERE id = %(id)s", {"id": 1})
    row = cursor.fetchone()
    assert row == (expected, None), about
    assert row is not None
    assert type(row[0]) is type(expected)


PARAMETERS: list[Any] = [None, 0, -1, 2**63, 2**64 - 1, 1.25, "text", b"bytes", D("1.50"), datetime.date(2026, 1, 2)]


@pytest.mark.parametrize("value", PARAMETERS, ids=repr)
def test_a_parameter_alone(connection: vitrail.Connection, value: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT %s", [value])
    found = cursor.fetchone()
    assert found is not None
    assert found[0] == value or str(found[0]) == str(value)


REFUSED: list[tuple[Any, str]] = [
    (float("nan"), "nan is no value"),
    (float("inf"), "inf is no value"),
    (D("NaN"), "NaN is no value"),
    (D("1E+1000000000"), "more than 65 digits"),
    (D("1E-1000000000"), "more than 65 digits"),
    (10**65, "more than 65 digits"),
    (10**5000, "more than 65 digits"),
    (datetime.timedelta(hours=839), "838 hours"),
    (datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), "no zone"),
    (datetime.time(1, tzinfo=datetime.timezone.utc), "no zone"),
    ([], "no empty list"),
    ([(1, 2), (1,)], "tuples of one length"),
    ([1, (1,)], "tuples of one length"),
    ([[[1]]], "tuple inside a tuple"),
    ({"a": 1}, "type dict cannot be sent"),
    (object(), "type object cannot be sent"),
    ([object()], "type object cannot be sent"),
    ("\ud800", "surrogates not allowed"),
    (Geometry(b"x"), "at least 9 bytes"),
    (Bit(b""), "1 to 8 bytes"),
    (CharsetText(b"x", "a; DROP"), "no name of a character set"),
]


@pytest.mark.parametrize(("value", "says"), REFUSED, ids=lambda part: part if isinstance(part, str) and part.isascii() else "")
def test_what_cannot_be_sent_is_refused_here(connection: vitrail.Connection, value: Any, says: str) -> None:
    cursor = connection.cursor()
    with pytest.raises(vitrail.DataError) as caught:
        cursor.execute("SELECT %s", [value])
    assert says in str(caught.value)
    assert "`v1`" in str(caught.value)
    assert (caught.value.executed, caught.value.retryable) == ("no", False)
    assert cursor.execute("SELECT 1").fetchone() == (1,)


def test_lists(connection: vitrail.Connection, table: str) -> None:
    cursor = connection.cursor()
    cursor.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, %s)", [(number, f"n{number}") for number in range(5)])
    cursor.execute(f"SELECT id FROM {table} WHERE id IN %s ORDER BY id", [[1, 3, 9]])
    assert cursor.fetchall() == [(1,), (3,)]
    cursor.execute(f"SELECT id FROM {table} WHERE (id, name) IN %(pairs)s", {"pairs": [(1, "n1"), (2, "other")]})
    assert cursor.fetchall() == [(1,)]
    cursor.execute(f"SELECT id FROM {table} WHERE name IN %s", [{"n4"}])
    assert cursor.fetchall() == [(4,)]


def test_description_and_type_objects(connection: vitrail.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS n, 'a' AS t, x'00' AS b, NOW() AS d, CAST(1.5 AS DECIMAL(5,2)) AS m, NULL AS z")
    assert cursor.description is not None
    by_name = {column[0]: column for column in cursor.description}
    assert list(by_name) == ["n", "t", "b", "d", "m", "z"]
    assert by_name["n"][1] == vitrail.NUMBER
    assert by_name["t"][1] == vitrail.STRING
    assert by_name["d"][1] == vitrail.DATETIME
    assert by_name["d"][1] != vitrail.NUMBER
    assert by_name["m"][4:6] == (6, 2) or by_name["m"][4:6] == (5, 2)
    assert by_name["n"][6] is False
    assert by_name["z"][6] is True


def test_a_type_that_a_later_server_may_have() -> None:
    """Types that nobody knows here are text, or bytes by their collation."""
    from vitrail.convert import reader
    from vitrail.protocol.rows import Column

    assert reader(Column("", "", "", "x", "", 45, 1, 0xE0, 0, 0))(["a", None, "Ã©"]) == ["a", None, "é"]
    assert reader(Column("", "", "", "x", "", 63, 1, 0xE0, 0, 0))(["a", None, "Ã©"]) == [b"a", None, "é".encode()]
