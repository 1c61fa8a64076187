"""URLs, hosts, logins, TLS, sessions and how they open."""

from __future__ import annotations

import urllib.parse

from support.servers import free_port

from ..bench import Bench, behaviour


@behaviour("open")
def _(bench: Bench) -> None:
    bench.connect()
    assert bench.value("SELECT DATABASE()") == {"text": "main"}


@behaviour("open-settings")
def _(bench: Bench) -> None:
    bench.connect(found_rows=True, variables={"sql_mode": "'ANSI_QUOTES'"})
    assert bench.value("SELECT @@sql_mode") == {"text": "ANSI_QUOTES"}
    table = bench.table()
    bench.query(f"INSERT INTO {table} VALUES (1, 5)")
    assert bench.query(f"UPDATE {table} SET n = 5 WHERE id = 1")["affected"] == 1


@behaviour("open-chained")
def _(bench: Bench) -> None:
    with bench.scripted(lambda _: {}) as gate:
        bench.connect(gate.url())
        bench.query("SELECT 1")
        first, second = gate.requests[:2]
        assert (first["op"], second["op"]) == ("open", "execute")
        assert first["s"] == second["s"]
        assert second["chain"] is True


@behaviour("open-refused")
def _(bench: Bench) -> None:
    bench.connect(bench.stage.gate.url("nowhere"))
    assert bench.fails("not_found", "SELECT 1").errno == 1049


@behaviour("hosts")
def _(bench: Bench) -> None:
    port = bench.stage.gate.port
    url = bench.stage.gate.url().replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()},127.0.0.1:{port}")
    for name in ("a", "b", "c"):
        bench.connect(url, name)
        assert bench.value("SELECT 1", name) == {"int": "1"}


@behaviour("hosts-none")
def _(bench: Bench) -> None:
    failed = bench.refused("unavailable", "connect", **{"as": "c"}, url=f"vitrail://a@127.0.0.1:{free_port()}/", options={})
    assert failed.executed == "no"


@behaviour("unix-socket")
def _(bench: Bench) -> None:
    path = urllib.parse.quote(str(bench.stage.gate.folder / "g.sock"), safe="")
    bench.connect(f"vitrail://app:app@{path}/main")
    assert bench.value("SELECT 1") == {"int": "1"}


@behaviour("url-unknown-option")
def _(bench: Bench) -> None:
    url = bench.stage.gate.url(query="?conect_timeout=5s")
    failed = bench.refused("invalid", "connect", **{"as": "c"}, url=url, options={})
    assert "connect_timeout" in failed.message
    assert "s3cret" not in failed.message


@behaviour("url-broken")
def _(bench: Bench) -> None:
    for url in ("mysql://db/ks", "vitrail://db:0/", "vitrail://db/ks@master", "vitrail://db/?tls=on"):
        assert bench.refused("invalid", "connect", **{"as": "c"}, url=url, options={}).errno == 61009


@behaviour("login")
def _(bench: Bench) -> None:
    bench.connect(bench.stage.gate.url(user="app", password="app"))
    assert str(bench.value("SELECT USER()")["text"]).startswith("app@")


@behaviour("login-refused")
def _(bench: Bench) -> None:
    for user, password in (("app", "wrong"), ("nobody", "app")):
        url = bench.stage.gate.url(user=user, password=password)
        bench.refused("unauthenticated", "connect", **{"as": "c"}, url=url, options={})


@behaviour("login-impostor")
def _(bench: Bench) -> None:
    with bench.scripted(lambda _: {}) as gate:
        url = gate.url().replace("ann@", "ann:pencil@")
        bench.refused("unauthenticated", "connect", **{"as": "c"}, url=url, options={})
        assert gate.requests == []


@behaviour("connect-timeout")
def _(bench: Bench) -> None:
    with bench.proxy() as proxy:
        proxy.down = lambda _: (b"", True)
        url = proxy.url(query="?connect_timeout=300ms")
        bench.refused("unavailable", "connect", **{"as": "c"}, url=url, options={})


def _secure(bench: Bench, query: str, **login: str | None) -> str:
    return bench.stage.secure.url(query=query, **login)  # type: ignore[arg-type]


@behaviour("tls")
def _(bench: Bench) -> None:
    for mode in ("verify-full", "verify-ca"):
        bench.connect(_secure(bench, f"?tls={mode}&ca={bench.stage.certificates.authority}"), mode)
        assert bench.value("SELECT 1", mode) == {"int": "1"}


@behaviour("tls-unverified")
def _(bench: Bench) -> None:
    for mode in ("require", "prefer"):
        bench.connect(_secure(bench, f"?tls={mode}"), mode)
        assert bench.value("SELECT 1", mode) == {"int": "1"}


@behaviour("tls-stranger")
def _(bench: Bench) -> None:
    url = _secure(bench, f"?tls=verify-full&ca={bench.stage.certificates.stranger}")
    bench.refused("unauthenticated", "connect", **{"as": "c"}, url=url, options={})


@behaviour("tls-certificate")
def _(bench: Bench) -> None:
    made = bench.stage.certificates
    query = f"?tls=verify-full&ca={made.authority}&cert={made.client}&key={made.client_key}"
    bench.connect(_secure(bench, query, user="app", password=None))
    assert str(bench.value("SELECT USER()")["text"]).startswith("app@")


@behaviour("tls-absent")
def _(bench: Bench) -> None:
    url = bench.stage.gate.url(query="?tls=require&connect_timeout=5s")
    bench.refused("unavailable", "connect", **{"as": "c"}, url=url, options={})
    bench.connect(bench.stage.gate.url(query="?tls=prefer"), "d")
    assert bench.value("SELECT 1", "d") == {"int": "1"}


@behaviour("sessions-share-a-socket")
def _(bench: Bench) -> None:
    with bench.scripted(lambda _: {}) as gate:
        bench.connect(gate.url())
        bench.adapter.call("session", of="c", **{"as": "d"})
        bench.query("SELECT 1")
        bench.query("SELECT 1", "d")
        assert gate.connections == 1
        assert len({request["s"] for request in gate.requests}) == 2


@behaviour("sessions-are-apart")
def _(bench: Bench) -> None:
    bench.connect()
    bench.adapter.call("session", of="c", **{"as": "d"})
    bench.query("SET @mine = 1")
    bench.query("SET @mine = 2", "d")
    assert bench.value("SELECT @mine") == {"int": "1"}
    assert bench.value("SELECT @mine", "d") == {"int": "2"}


@behaviour("target")
def _(bench: Bench) -> None:
    bench.connect(bench.stage.gate.url("shop:-80"))
    bench.query("DELETE FROM orders WHERE id >= 0")
    bench.query("SELECT COUNT(*) FROM orders")
    assert bench.value("SELECT DATABASE()") != {"text": "main"}


@behaviour("target-of-a-statement")
def _(bench: Bench) -> None:
    bench.connect(bench.stage.gate.url("main"))
    bench.query("SELECT COUNT(*) FROM orders", target="shop:80-")
    bench.query("SELECT COUNT(*) FROM orders", target="shop")
    assert bench.value("SELECT DATABASE()") == {"text": "main"}
