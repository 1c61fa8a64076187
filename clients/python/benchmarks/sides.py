"""What is compared: each driver by the calls that its own users write. All reach their server by TCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import asyncmy
import pymysql

import vitrail
from vitrail import aio

Row = tuple[Any, ...]

POINT_SELECT = "SELECT id, name, balance FROM account WHERE id = %s"
FETCH = "SELECT id, name, price, made, stock, weight FROM item ORDER BY id"
INSERT = "INSERT INTO entry (id, account, note, amount) VALUES (%s, %s, %s, %s)"
EMPTY = "TRUNCATE TABLE entry"
COUNT = "SELECT COUNT(*), SUM(id), SUM(account), SUM(amount), SUM(CRC32(note)) FROM entry"


class Side(Protocol):
    """A connection in autocommit, of a driver that blocks or one for asyncio; so the second's methods are coroutines."""

    def select(self, ids: Sequence[int]) -> Any:
        """Runs a point select for each id and gives the rows."""

    def fetch(self) -> Any:
        """The rows of the large table."""

    def insert(self, rows: Sequence[Row]) -> Any:
        """Inserts rows in one transaction."""

    def one(self, sql: str) -> Any:
        """The first row of a statement, None if it has none."""


class Blocking:
    """A driver of PEP 249."""

    def __init__(self, connection: vitrail.Connection | pymysql.Connection[Any]) -> None:
        self._connection = connection

    def select(self, ids: Sequence[int]) -> list[Row]:
        """As :class:`Side` has it."""
        found = []
        with self._connection.cursor() as cursor:
            for id in ids:
                cursor.execute(POINT_SELECT, (id,))
                found.append(cursor.fetchone())
        return found  # type: ignore[return-value]  # a row that is missing is found when they are compared

    def fetch(self) -> list[Row]:
        """As :class:`Side` has it."""
        with self._connection.cursor() as cursor:
            cursor.execute(FETCH)
            return list(cursor.fetchall())

    def insert(self, rows: Sequence[Row]) -> None:
        """As :class:`Side` has it."""
        self.fill(INSERT, rows)

    def fill(self, sql: str, rows: Sequence[Row]) -> None:
        """Runs an INSERT for all rows, in one transaction."""
        self._connection.begin()
        with self._connection.cursor() as cursor:
            cursor.executemany(sql, rows)
        self._connection.commit()

    def one(self, sql: str) -> Row | None:
        """As :class:`Side` has it."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone() if cursor.description else None


class Asyncmy:
    """asyncmy."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def select(self, ids: Sequence[int]) -> list[Row]:
        """As :class:`Side` has it."""
        found = []
        async with self._connection.cursor() as cursor:
            for id in ids:
                await cursor.execute(POINT_SELECT, (id,))
                found.append(await cursor.fetchone())
        return found

    async def fetch(self) -> list[Row]:
        """As :class:`Side` has it."""
        async with self._connection.cursor() as cursor:
            await cursor.execute(FETCH)
            return list(await cursor.fetchall())

    async def insert(self, rows: Sequence[Row]) -> None:
        """As :class:`Side` has it."""
        await self._connection.begin()
        async with self._connection.cursor() as cursor:
            await cursor.executemany(INSERT, rows)
        await self._connection.commit()

    async def one(self, sql: str) -> Row | None:
        """As :class:`Side` has it."""
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql)
            found: Row | None = await cursor.fetchone() if cursor.description else None
            return found


class VitrailAio:
    """vitrail.aio."""

    def __init__(self, connection: aio.Connection) -> None:
        self._connection = connection

    async def select(self, ids: Sequence[int]) -> list[aio.Record | None]:
        """As :class:`Side` has it."""
        return [await self._connection.fetchrow(POINT_SELECT, id) for id in ids]

    async def fetch(self) -> list[aio.Record]:
        """As :class:`Side` has it."""
        return await self._connection.fetch(FETCH)

    async def insert(self, rows: Sequence[Row]) -> None:
        """As :class:`Side` has it."""
        async with self._connection.transaction():
            await self._connection.executemany(INSERT, rows)

    async def one(self, sql: str) -> Row | None:
        """As :class:`Side` has it."""
        row = await self._connection.fetchrow(sql)
        return None if row is None else tuple(row)


def vitrail_side(url: str) -> Blocking:
    """The blocking client."""
    return Blocking(vitrail.connect(url, autocommit=True))


def pymysql_side(port: int, database: str) -> Blocking:
    """PyMySQL, without Vitrail."""
    return Blocking(
        pymysql.connect(host="127.0.0.1", port=port, user="vitrail", password="secret", database=database, autocommit=True)
    )


async def vitrail_aio_side(url: str) -> Side:
    """The asyncio module."""
    return VitrailAio(await aio.connect(url))


async def asyncmy_side(port: int, database: str) -> Side:
    """asyncmy, without Vitrail."""
    connection = await asyncmy.connect(
        host="127.0.0.1", port=port, user="vitrail", password="secret", database=database, autocommit=True
    )
    return Asyncmy(connection)
