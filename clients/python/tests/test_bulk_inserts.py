"""``executemany`` of INSERT and REPLACE: which statements share rows, and that nobody can tell but by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.servers import Gate, MariaDB

import vitrail
from vitrail import aio
from vitrail.batches import batches
from vitrail.inserts import insert_of_rows
from vitrail.protocol.bson import decode

TOGETHER = [
    "INSERT INTO t VALUES (%s)",
    "insert into t (a, b) values (%s, %s)",
    "INSERT INTO `a``b`.`t` (`a,(`, b) VALUES (%s, 'x)') ;",
    "REPLACE t VALUES(%(a)s, %(b)s, %(a)s)",
    "INSERT LOW_PRIORITY IGNORE INTO t VALUES (%s, NULL, DEFAULT, 1.5, TRUE)",
    "/* a, (b) */ INSERT INTO t # VALUES (\n (a) VALUES ( %s /* ) */ )",
    "INSERT INTO t VALUES (LEFT(%s, 5), CAST(%s AS DECIMAL(5, 2)), %s %% 7, CASE WHEN %s IS NULL THEN 'none' ELSE x'00' END)",
    "INSERT INTO t (a, n) VALUES (%s, 1) ON DUPLICATE KEY UPDATE n = n + VALUES(n), `select` = 'SELECT'",
    "INSERT INTO t VALUES (%s) AS new (a) ON DUPLICATE KEY UPDATE a = new.a + 1;",
    "INSERT INTO t VALUES ('50%%', %s)",
]
APART = [
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t () VALUES ()",
    "INSERT INTO t SET a = %s",
    "INSERT INTO t SELECT %s",
    "INSERT INTO t (a) SELECT a FROM s WHERE b = %s",
    "INSERT INTO t VALUES (%s), (%s)",
    "INSERT INTO t VALUES (%s, NOW())",
    "INSERT INTO t VALUES (%s, now ())",
    "INSERT INTO t VALUES (%s, CURRENT_TIMESTAMP)",
    "INSERT INTO t VALUES (%s, UUID())",
    "INSERT INTO t VALUES (%s, LAST_INSERT_ID())",
    "INSERT INTO t VALUES (%s, stored(1))",
    "INSERT INTO t VALUES (%s, s.stored(1))",
    "INSERT INTO t VALUES (%s, @x := @x + 1)",
    "INSERT INTO t VALUES (%s, @@timestamp)",
    "INSERT INTO t VALUES (%s, (SELECT MAX(a) FROM s))",
    "INSERT INTO t VALUES (%s, 'a\\' || 'b')",
    "INSERT INTO t VALUES (%s /*! , 2 */)",
    "INSERT INTO t VALUES (%s, :v1)",
    "INSERT INTO t VALUES (%s) RETURNING a",
    "INSERT INTO t VALUES (%s) ON DUPLICATE KEY UPDATE a = %s",
    "INSERT INTO t VALUES (%s) ON DUPLICATE KEY UPDATE a = NOW()",
    "INSERT INTO t VALUES (%s) ON DUPLICATE KEY UPDATE a = CURRENT_TIMESTAMP",
    "INSERT INTO t VALUES (%s) ON DUPLICATE KEY UPDATE a = LAST_INSERT_ID(a)",
    "INSERT INTO t VALUES (%s) ON DUPLICATE KEY UPDATE a = (SELECT 1)",
    "INSERT INTO t VALUES (%s); DELETE FROM t",
    "INSERT INTO t VALUES (%s",
    "UPDATE t SET a = %s",
    "SELECT 'INSERT INTO t VALUES (', %s",
    "CALL p(%s)",
]


@pytest.mark.parametrize("sql", TOGETHER)
def test_rows_that_go_together(sql: str) -> None:
    assert insert_of_rows(sql) is not None


@pytest.mark.parametrize("sql", APART)
def test_rows_that_stay_apart(sql: str) -> None:
    assert insert_of_rows(sql) is None


def test_the_text_of_several_rows() -> None:
    [batch] = batches("INSERT INTO t (a, b) VALUES (%s, LEFT(%s, 3)) -- %%\n ;", [(1, "a"), [2, "b"]], together=True)
    assert [{**item, "binds": decode(item["binds"])} for item in batch.items] == [
        {
            "sql": "INSERT INTO t (a, b) VALUES (:v1, LEFT(:v2, 3)), (:v3, LEFT(:v4, 3)) -- %\n ;",
            "binds": {"v1": 1, "v2": "a", "v3": 2, "v4": "b"},
        }
    ]
    [batch] = batches("REPLACE t VALUES (%(b)s, %(a)s, %(b)s)", [{"a": 1, "b": 2}, {"b": 3, "a": 4}], together=True)
    assert [{**item, "binds": decode(item["binds"])} for item in batch.items] == [
        {
            "sql": "REPLACE t VALUES (:v1, :v2, :v3), (:v4, :v5, :v6)",
            "binds": {"v1": 2, "v2": 1, "v3": 2, "v4": 3, "v5": 4, "v6": 3},
        }
    ]


def test_statements_and_requests_are_bounded() -> None:
    found = list(batches("INSERT INTO t VALUES (%s, %s, %s)", ((n, n, None) for n in range(100_000)), together=True))
    rows = [batch.starts[place + 1] - batch.starts[place] for batch in found for place in range(len(batch.items))]
    assert sum(rows) == 100_000
    assert 300 < max(rows) <= 4_096 // 3
    assert all(sum(len(item["binds"]) + len(item.get("sql", "")) for item in batch.items) < 65_536 for batch in found)
    assert len(set(rows)) == 2, "texts that servers know again"
    large = list(batches("INSERT INTO t VALUES (%s)", [("x" * 300_000,)] * 10, together=True))
    assert [batch.starts for batch in large] == [[number, number + 1] for number in range(10)]


def test_wrong_parameters_are_told_before_anything_is_sent() -> None:
    with pytest.raises(vitrail.ProgrammingError, match="2 placeholders, 1 parameters"):
        list(batches("INSERT INTO t VALUES (%s, %s)", [(1, 2), (1,)], together=True))
    with pytest.raises(vitrail.ProgrammingError, match="no parameter `b`"):
        list(batches("INSERT INTO t VALUES (%(a)s, %(b)s)", [{"a": 1}], together=True))
    with pytest.raises(vitrail.DataError, match="`v2`: a value of type object") as caught:
        list(batches("INSERT INTO t VALUES (%s, %s)", [(1, 1), (2, object())], together=True))
    assert caught.value.item == 1


#: Statements with their sets of parameters, for table ``t`` (``id`` BIGINT key, ``name`` VARCHAR(100), ``n`` INT NOT NULL).
STATEMENTS: list[tuple[str, Sequence[Any]]] = [
    ("INSERT INTO {t} (id, name) VALUES (%s, %s)", [(n, f"n{n}") for n in range(200)]),
    ("INSERT INTO {t} (name, id) VALUES (UPPER(%(name)s), %(id)s + 0)", [{"id": n, "name": "it's :v1"} for n in range(9)]),
    ("INSERT IGNORE INTO {t} (id, n) VALUES (%s, %s)", [(1, 1), (2, 2), (1, 3), (4, "x"), (5, None)]),
    ("REPLACE INTO {t} (id, name) VALUES (%s, %s)", [(1, "a"), (2, "b"), (1, "c")]),
    ("INSERT INTO {t} (id, n) VALUES (%s, 1) ON DUPLICATE KEY UPDATE n = n + VALUES(n)", [(1,), (2,), (1,), (1,), (3,)]),
    ("INSERT INTO {t} (id) VALUES (%s)", [(1,), (2,), (1,), (4,)]),
    ("INSERT INTO {t} (id, name) VALUES (%s, %s)", [(1, "a"), (2, "x" * 101), (3, "b")]),
    ("INSERT INTO {t} (id, n) VALUES (%s, %s)", [(1, 1), (2, 1 << 40), (3, 1)]),
    ("INSERT INTO {t} (id, n) VALUES (%s, %s)", [(1, 1), (2, None), (3, 1)]),
    ("INSERT INTO {t} (id, none) VALUES (%s, %s)", [(1, 1), (2, 1)]),
    ("INSERT INTO {t} (id) VALUES (%s)", [(1,), ([2, 3],), (4,)]),
]


def _run(connection: vitrail.Connection, table: str, sql: str, rows: Sequence[Any], together: bool) -> tuple[Any, ...]:
    """What can be seen of it: the count or the error, and the rows that are there."""
    cursor = connection.cursor()
    cursor.execute(f"DELETE FROM {table} WHERE id IS NOT NULL")
    connection.commit()
    counted: list[Any]
    if together:
        try:
            cursor.executemany(sql.format(t=table), rows)
            counted = [cursor.rowcount]
        except vitrail.Error as error:
            counted = [type(error), error.errno, error.message, error.item]
    else:
        counted = [0]
        for number, row in enumerate(rows):
            try:
                cursor.execute(sql.format(t=table), row)
                counted[0] += cursor.rowcount
            except vitrail.Error as error:
                counted = [type(error), error.errno, error.message, number]
                break
    cursor.execute(f"SELECT id, name, n FROM {table} ORDER BY id")
    found = cursor.fetchall()
    connection.rollback()
    return (*counted, found)


@pytest.mark.parametrize("target", ["main", "shop"])
@pytest.mark.parametrize(("sql", "rows"), STATEMENTS)
@pytest.mark.parametrize("mode", ["STRICT_TRANS_TABLES", ""])
def test_as_if_each_row_came_by_itself(gate: Gate, target: str, sql: str, rows: Sequence[Any], mode: str) -> None:
    with vitrail.connect(gate.url(target), autocommit=False, variables={"sql_mode": f"'{mode}'"}) as connection:
        apart = _run(connection, "members", sql, rows, together=False)
        assert _run(connection, "members", sql, rows, together=True) == apart


def test_rows_share_statements(connection: vitrail.Connection, mariadb: MariaDB, table: str) -> None:
    def inserts() -> int:
        return int(mariadb.sql("SHOW GLOBAL STATUS LIKE 'Com_insert'").split()[1])

    cursor = connection.cursor()
    before = inserts()
    cursor.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, %s)", [(n, "x") for n in range(10_000)])
    assert inserts() - before <= 20
    assert cursor.rowcount == 10_000
    before = inserts()
    cursor.executemany(f"INSERT INTO {table} (id, name) VALUES (%s, NOW())", [(n,) for n in range(10_000, 10_050)])
    assert inserts() - before == 50


def test_an_atomic_insert_says_which_row_and_leaves_nothing(gate: Gate, table: str) -> None:
    with vitrail.connect(gate.url(), autocommit=True) as opened:
        cursor = opened.cursor()
        with pytest.raises(vitrail.IntegrityError, match="'7'") as caught:
            cursor.executemany(f"INSERT INTO {table} (id) VALUES (%s)", [*((n,) for n in range(300)), (7,), (301,)])
        assert (caught.value.item, caught.value.items) == (300, range(300, 301))
        assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
        assert not opened.in_transaction


def test_a_failed_insert_leaves_the_rows_before_it_in_the_transaction(connection: vitrail.Connection, table: str) -> None:
    cursor = connection.cursor()
    rows = [(n,) for n in range(9_000)]
    rows[8_500] = (3,)
    with pytest.raises(vitrail.IntegrityError) as caught:
        cursor.executemany(f"INSERT INTO {table} (id) VALUES (%s)", rows)
    assert caught.value.item == 8_500
    assert connection.in_transaction
    assert cursor.execute(f"SELECT COUNT(*), MAX(id) FROM {table}").fetchone() == (8_500, 8_499)
    connection.rollback()
    assert cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)


def test_locks_fail_a_statement_of_rows_at_once(gate: Gate, connection: vitrail.Connection, table: str) -> None:
    """An error that is not a row's is not asked for again."""
    connection.cursor().execute(f"INSERT INTO {table} (id) VALUES (5)")
    with vitrail.connect(gate.url(), variables={"innodb_lock_wait_timeout": "1"}) as other:
        with pytest.raises(vitrail.OperationalError) as caught:
            other.cursor().executemany(f"INSERT INTO {table} (id) VALUES (%s)", [(n,) for n in range(10)])
        assert caught.value.errno == 1205
        assert (caught.value.item, caught.value.items) == (0, range(10))
        other.rollback()
    connection.rollback()


def test_the_insert_id_is_the_first_of_the_last_statement(connection: vitrail.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS numbered")
    cursor.execute("CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY, a INT)")
    cursor.executemany("INSERT INTO numbered (a) VALUES (%s)", [(n,) for n in range(10)])
    assert cursor.lastrowid == 1
    assert cursor.execute("SELECT GROUP_CONCAT(a ORDER BY id) FROM numbered").fetchone() == ("0,1,2,3,4,5,6,7,8,9",)


async def test_of_the_asyncio_module(gate: Gate, table: str) -> None:
    async with await aio.connect(gate.url()) as connection:
        sql = f"INSERT INTO {table} (id, name) VALUES (%(id)s, %(name)s)"
        assert (await connection.executemany(sql, [{"id": n, "name": "a"} for n in range(20_000)])).affected == 20_000
        with pytest.raises(vitrail.IntegrityError) as caught:
            await connection.executemany(sql, [{"id": n, "name": "a"} for n in range(20_100, 19_990, -1)])
        assert caught.value.item == 101
        with pytest.raises(vitrail.DataError) as wrong:
            async with connection.transaction():
                await connection.executemany(sql, [{"id": 30_000, "name": "a"}, {"id": 30_001, "name": "x" * 101}])
        assert wrong.value.item == 1
        assert await connection.fetchval(f"SELECT COUNT(*) FROM {table}") == 20_000
