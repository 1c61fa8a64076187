"""All vectors of ``proto-spec/vectors`` but the transcripts."""

from __future__ import annotations

from typing import Any

import pytest
from support.scram_server import Refused, ServerExchange, Stored
from support.vectors import PROTOCOL, TESTDATA, cases, name_of
from support.xxhash64 import xxhash64

from vitrail import errors
from vitrail.protocol import bson, frames, messages, rows, scram, urls
from vitrail.protocol.faults import Fault
from vitrail.protocol.schema import Schema
from vitrail.protocol.values import Typed

SCHEMAS: dict[str, Schema] = {
    "client_hello": messages.CLIENT_HELLO,
    "server_hello": messages.SERVER_HELLO,
    "auth": messages.AUTH,
    "request": messages.REQUEST,
    "reply": messages.REPLY,
    "error": messages.ERROR,
    "credit": messages.CREDIT,
    "goaway": messages.GOAWAY,
    "empty": messages.EMPTY,
}


def receive(case: dict[str, Any], pieces: list[bytes]) -> list[str]:
    """What comes out of the frames of a case, in the words of the vectors."""
    reader = frames.Reassembler(frames.Side(case["side"]), case.get("max_frame", 262_144), case.get("max_message", 134_217_728))
    reader.authenticated = case["authenticated"]
    events = []
    try:
        for piece in pieces:
            for event in reader.feed(piece):
                if isinstance(event, frames.Message):
                    events.append(f"message {event.kind.name} {event.id} {len(event.body)}")
                elif isinstance(event, frames.Partial):
                    events.append(f"partial {event.id} {event.received}/{event.announced}")
                elif isinstance(event, frames.Refused):
                    assert not event.fault.closes
                    events.append(event.fault.name)
                else:
                    events.append("skipped")
    except Fault as fault:
        assert fault.closes
        events.append(fault.name)
    return events


@pytest.mark.parametrize("case", cases(PROTOCOL / "frames.json"), ids=name_of)
def test_frames(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["frames"])
    assert receive(case, [data]) == case["events"]
    step = 1 if len(data) < 20_000 else 997
    assert receive(case, [data[at : at + step] for at in range(0, len(data), step)]) == case["events"]


def test_error_names_say_whether_the_connection_ends() -> None:
    for file in ("frames", "documents", "messages", "values", "rows", "fields"):
        for case in cases(PROTOCOL / f"{file}.json"):
            if "closes" in case and case.get("type") not in HELLOS:
                assert Fault(case["error"]).closes == case["closes"], case["name"]


#: In HELLO and AUTH every fault ends the connection, as there is no request.
HELLOS = ("client_hello", "server_hello", "auth")


@pytest.mark.parametrize("case", cases(PROTOCOL / "documents.json"), ids=name_of)
def test_documents(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["body"])
    if "error" in case:
        with pytest.raises(Fault) as caught:
            bson.decode(body)
        assert caught.value.name == case["error"]
    else:
        bson.decode(body)


def as_json(value: Any) -> Any:
    """A decoded message as the vectors write it."""
    if isinstance(value, (bytes, memoryview)):
        return {"hex": bytes(value).hex()}
    if isinstance(value, dict):
        return {name: as_json(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [as_json(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1 << 63:
        return value - (1 << 64)
    return value


@pytest.mark.parametrize("case", cases(PROTOCOL / "messages.json"), ids=name_of)
def test_messages(case: dict[str, Any]) -> None:
    schema, body = SCHEMAS[case["type"]], bytes.fromhex(case["body"])
    if "error" in case:
        with pytest.raises(Fault) as caught:
            messages.decode(schema, body)
        assert caught.value.name == case["error"]
        return
    message = messages.decode(schema, body)
    assert as_json(message) == (case.get("fields") or {})
    assert messages.encode(schema, message).hex() == case.get("canonical", case["body"])


def meaning(value: Any) -> dict[str, Any]:
    """What a decoded bind value means, as the vectors write it."""
    if value is None:
        return {"null": True}
    if isinstance(value, Typed):
        content = value.v.hex() if isinstance(value.v, bytes) else value.v
        if value.t == "text":
            return {"charset_text": [value.cs, content]}
        return {{"u64": "uint"}.get(value.t, value.t): content}
    if isinstance(value, list):
        return {"list": [meaning(item) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [meaning(item) for item in value]}
    if isinstance(value, int):
        return {"int": str(int(value))}
    if isinstance(value, float):
        return {"double": value}
    return {"bytes": value.hex()} if isinstance(value, bytes) else {"text": value}


@pytest.mark.parametrize("case", cases(PROTOCOL / "values.json"), ids=name_of)
def test_values(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["body"])
    if "error" in case:
        with pytest.raises(Fault) as caught:
            messages.decode(messages.REQUEST, body)
        assert (caught.value.name, caught.value.closes) == (case["error"], case["closes"])
        return
    message = messages.decode(messages.REQUEST, body)
    assert meaning(message["binds"]["b"]) == case["value"]
    again = messages.encode(messages.REQUEST, message)
    assert messages.decode(messages.REQUEST, again) == message
    if "canonical" in case:
        assert again.hex() == case["canonical"]


@pytest.mark.parametrize("case", cases(PROTOCOL / "rows.json"), ids=name_of)
def test_rows(case: dict[str, Any]) -> None:
    packed = bytes.fromhex(case["packed"])
    if "error" in case:
        for width in range(4):
            with pytest.raises(Fault) as caught:
                rows.cells(packed, case["n"], width)
            assert caught.value.name == case["error"]
    else:
        width = len(case["rows"][0]) if case["rows"] else 1
        found = [None if cell is None else cell.encode("latin-1").hex() for cell in rows.cells(packed, case["n"], width)]
        assert [found[at : at + width] for at in range(0, len(found), width)] == case["rows"]
        for other in (width - 1, width + 1) if case["rows"] else ():
            with pytest.raises(Fault):
                rows.cells(packed, case["n"], other)


@pytest.mark.parametrize("case", cases(PROTOCOL / "fields.json"), ids=name_of)
def test_fields(case: dict[str, Any]) -> None:
    packed = bytes.fromhex(case["packed"])
    if "error" in case:
        with pytest.raises(Fault) as caught:
            rows.columns(packed)
        assert caught.value.name == case["error"]
    else:
        assert [vars(column) for column in rows.columns(packed)] == case["columns"]
        assert f"{xxhash64(packed):016x}" == case["fh"]


@pytest.mark.parametrize("case", cases(PROTOCOL / "scram.json"), ids=name_of)
def test_scram(case: dict[str, Any]) -> None:
    binding = bytes.fromhex(case["binding"]) if case["binding"] else None
    stored = Stored.parse(case["stored"])
    client = scram.Exchange(case["user"], case["password"], binding, case["client_nonce"], case["flag"])
    refused = case.get("refused")
    if refused in ("client_first", "client_final"):
        with pytest.raises(Refused):
            exchange = ServerExchange(case["client_first"].encode(), case["user"], stored, case["server_nonce"], binding)
            assert refused == "client_final"
            exchange.finish(case["client_final"].encode())
        return
    assert client.first == case["client_first"].encode()
    if refused == "server_first":
        with pytest.raises(scram.ScramError):
            client.prove(case["server_first"].encode())
        return
    assert client.prove(case["server_first"].encode()) == case["client_final"].encode()
    if refused == "server_final":
        with pytest.raises(scram.ScramError):
            client.verify(case["server_final"].encode())
        return
    assert refused is None
    client.verify(case["server_final"].encode())
    server = ServerExchange(case["client_first"].encode(), case["user"], stored, case["server_nonce"], binding)
    assert server.first == case["server_first"].encode()
    assert server.finish(case["client_final"].encode()) == case["server_final"].encode()


def test_codes() -> None:
    for case in cases(PROTOCOL / "codes.json"):
        default = errors.CODES[case["code"]]
        assert (default.errno, default.sqlstate, default.retryable) == (case["errno"], case["sqlstate"], case["retryable"])
    assert len(errors.CODES) == len(cases(PROTOCOL / "codes.json"))


@pytest.mark.parametrize("case", cases(TESTDATA / "urls" / "good.json"), ids=name_of)
def test_good_urls(case: dict[str, Any]) -> None:
    url = urls.parse(case["url"])
    assert str(url) == case["display"]
    assert [str(host) for host in url.hosts] == case["hosts"]
    assert (url.user, url.password, url.target or None) == (case.get("user"), case.get("password"), case.get("target"))
    for name in ("connect_timeout", "query_timeout"):
        seconds = getattr(url, name)
        assert (None if seconds is None else round(seconds * 1000)) == case.get(f"{name}_ms")
    assert url.tls == case.get("tls")


@pytest.mark.parametrize("case", cases(TESTDATA / "urls" / "bad.json"), ids=name_of)
def test_bad_urls(case: dict[str, Any]) -> None:
    with pytest.raises(urls.UrlProblem) as caught:
        urls.parse(case["url"])
    assert case.get("says", "") in str(caught.value)
    assert (caught.value.name, caught.value.position) == (case["error"], case["position"])
