"""TLS: what is checked, SCRAM bound to the certificate, certificates of clients; for both clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import Certificates
from support.servers import Gate, MariaDB

import vitrail
from vitrail import aio
from vitrail.config import configure


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Certificates:
    return Certificates(folder / "certificates")


@pytest.fixture(scope="module")
def secure(folder: Path, mariadb: MariaDB, certificates: Certificates) -> Iterator[Gate]:
    """A gate with TLS, by a certificate of 127.0.0.1."""
    server = Gate(folder / "secure", mariadb, certificates.listen())
    yield server
    server.stop()


def once(url: str) -> object:
    """One statement by the blocking client and one by the asynchronous one."""
    with vitrail.connect(url) as connection:
        row = connection.cursor().execute("SELECT SUBSTRING_INDEX(USER(), '@', 1)").fetchone()
        assert row is not None

    async def other() -> object:
        async with await aio.connect(url) as connection:
            return await connection.fetchval("SELECT SUBSTRING_INDEX(USER(), '@', 1)")

    assert asyncio.run(other()) == row[0]
    return row[0]


def both_fail(url: str) -> list[vitrail.Error]:
    """How each client fails."""
    with pytest.raises(vitrail.Error) as blocking:
        vitrail.connect(url)

    async def other() -> None:
        await aio.connect(url)

    with pytest.raises(vitrail.Error) as asynchronous:
        asyncio.run(other())
    return [blocking.value, asynchronous.value]


def test_verified(secure: Gate, certificates: Certificates) -> None:
    for mode in ("verify-full", "verify-ca"):
        assert once(secure.url(query=f"?tls={mode}&ca={certificates.authority}")) == "admin"


@pytest.mark.parametrize("mode", ["require", "prefer"])
def test_not_verified(secure: Gate, mode: str) -> None:
    assert once(secure.url(query=f"?tls={mode}")) == "admin"


@pytest.mark.parametrize(("key", "digest"), [("rsa:2048", "sha384"), ("rsa:2048", "sha512"), ("ec", "sha384")])
def test_the_binding_follows_the_signature(folder: Path, mariadb: MariaDB, key: str, digest: str) -> None:
    made = Certificates(folder / f"{key[:2]}{digest}", key, digest)
    gate = Gate(folder / f"gate-{key[:2]}{digest}", mariadb, made.listen())
    assert once(gate.url(query=f"?tls=verify-full&ca={made.authority}")) == "admin"
    gate.stop()


def test_a_client_certificate_stands_for_the_password(secure: Gate, certificates: Certificates) -> None:
    query = f"?tls=verify-full&ca={certificates.authority}&cert={certificates.client}&key={certificates.client_key}"
    assert once(secure.url(user="app", password=None, query=query)) == "app"
    errors = both_fail(secure.url(user="admin", password=None, query=query))
    assert [error.code for error in errors] == ["unauthenticated"] * 2


def test_a_wrong_password_over_tls(secure: Gate, certificates: Certificates) -> None:
    errors = both_fail(secure.url(password="wrong", query=f"?tls=verify-full&ca={certificates.authority}"))
    assert [error.code for error in errors] == ["unauthenticated"] * 2


def test_strangers_are_refused(secure: Gate, certificates: Certificates) -> None:
    for error in both_fail(secure.url(query=f"?tls=verify-full&ca={certificates.stranger}")):
        assert error.code == "unauthenticated"
        assert "name the authority to trust" in error.message
    assert all("verify failed" in error.message for error in both_fail(secure.url(query="?tls=verify-full")))


def test_another_name_is_refused(folder: Path, mariadb: MariaDB, certificates: Certificates) -> None:
    gate = Gate(folder / "other", mariadb, certificates.listen("other"))
    for error in both_fail(gate.url(query=f"?tls=verify-full&ca={certificates.authority}")):
        assert error.code == "unauthenticated"
        assert "tls=verify-ca" in error.message
    assert once(gate.url(query=f"?tls=verify-ca&ca={certificates.authority}")) == "admin"
    gate.stop()


def test_plain_text_and_tls_do_not_meet(secure: Gate, gate: Gate) -> None:
    started = time.monotonic()
    for error in both_fail(secure.url(query="?connect_timeout=5s")):
        assert error.executed == "no"
    for error in both_fail(gate.url(query="?tls=require&connect_timeout=5s")):
        assert error.code == "unavailable"
    assert time.monotonic() - started < 15
    assert once(gate.url(query="?tls=prefer")) == "admin"


def test_files_that_are_not_there(gate: Gate, certificates: Certificates) -> None:
    for query in ("tls=verify-full&ca=/none.pem", f"tls=require&cert={certificates.client}&key={certificates.authority}"):
        for error in both_fail(gate.url(query=f"?{query}")):
            assert isinstance(error, vitrail.InterfaceError)
            assert error.errno == 61009
    with pytest.raises(vitrail.InterfaceError, match="both `cert` and `key`"):
        vitrail.connect(gate.url(query="?cert=x.pem"))


MODES = [
    ("vitrail://127.0.0.1", "disable"),
    ("vitrail://127.9.9.9:1/k", "disable"),
    ("vitrail://[::1]", "disable"),
    ("vitrail://LocalHost", "disable"),
    ("vitrail://%2Frun%2Fv.sock?tls=require", "disable"),
    ("vitrail://128.0.0.1", "verify-full"),
    ("vitrail://localhost.example.com", "verify-full"),
    ("vitrail://db?tls=disable", "disable"),
    ("vitrail://localhost?tls=verify-ca", "verify-ca"),
]


@pytest.mark.parametrize(("url", "mode"), MODES)
def test_a_password_never_leaves_the_machine_unprotected_by_default(url: str, mode: str) -> None:
    config = configure(url)
    assert config.tls_mode(config.hosts[0]) == mode


def test_urls_that_cannot_be_used(gate: Gate) -> None:
    for error in both_fail(gate.url(query="?conect_timeout=5s")):
        assert isinstance(error, vitrail.InterfaceError)
        assert "did you mean `connect_timeout`?" in str(error)
        assert "s3cret" not in str(error)
    with pytest.raises(vitrail.InterfaceError, match="tablet type"):
        vitrail.connect(gate.url(), target="main@master")
    with pytest.raises(vitrail.InterfaceError, match="above 0"):
        vitrail.connect(gate.url(), connect_timeout=0)
    with vitrail.connect(gate.url("nowhere")) as connection, pytest.raises(vitrail.ProgrammingError, match="nowhere"):
        connection.cursor().execute("SELECT * FROM t")
