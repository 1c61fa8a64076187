"""Logins: keys are derived once for a burst of connections, and positions carry what was written to whoever reads."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from support.servers import Gate

import vitrail
from vitrail import aio
from vitrail.protocol.scram import KeyCache


def test_a_burst_of_logins_derives_keys_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    salts: list[bytes] = []
    real = hashlib.pbkdf2_hmac

    def counted(name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
        salts.append(salt)
        return real(name, password, salt, iterations)

    vitrail.connect(gate.url()).close()
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    for _ in range(5):
        vitrail.connect(gate.url()).close()

    async def other() -> None:
        async with await aio.create_pool(gate.url(), pool_min=3):
            pass

    asyncio.run(other())
    assert salts == []
    with pytest.raises(vitrail.OperationalError):
        vitrail.connect(gate.url(password="another"))
    assert len(salts) == 1


def test_keys_are_kept_by_password_salt_and_count(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    real = hashlib.pbkdf2_hmac

    def counted(*arguments: Any) -> bytes:
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    cache = KeyCache()
    first = cache.derive(b"pencil", b"salt", 4096)
    assert cache.derive(b"pencil", b"salt", 4096) == first
    assert len(calls) == 1
    for other in ((b"pen", b"salt", 4096), (b"pencil", b"pepper", 4096), (b"pencil", b"salt", 4097)):
        assert cache.derive(*other) != first
    assert len(calls) == 4
    for number in range(300):
        cache.derive(b"pencil", b"salt", 4096 - 4000 + number % 300)
    assert len(cache) <= 256


def test_positions(gate: Gate, table: str) -> None:
    """What a write answers is a position that a read of anybody may ask for."""
    with vitrail.connect(gate.url(), autocommit=True) as writer, vitrail.connect(gate.url(), autocommit=True) as reader:
        cursor = writer.cursor()
        cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
        assert cursor.outcome is not None
        position = cursor.outcome.position
        assert position
        try:
            found = reader.cursor().execute(f"SELECT COUNT(*) FROM {table}", position=position, timeout=10).fetchone()
        except vitrail.NotSupportedError as error:
            # A server that does not wait must say so, and never answer as if it had.
            assert "position" in error.message
        else:
            assert found == (1,)


@pytest.mark.skipif(not hasattr(asyncio, "timeout"), reason="asyncio.timeout came with Python 3.11")
async def test_a_timeout_block(gate: Gate) -> None:
    async with await aio.connect(gate.url()) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.fetchval("SELECT SLEEP(30)")
        assert await connection.fetchval("SELECT 1") == 1
