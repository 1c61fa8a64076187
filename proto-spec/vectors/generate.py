"""Writes the protocol's vectors: an independent implementation of the specification, in Python's standard library."""

import base64
import hashlib
import hmac
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
HELLO, AUTH, REQUEST, REPLY, ERROR, CREDIT, CANCEL, PING, GOAWAY = range(1, 10)
MORE, END = 1, 2
KINDS = {1: "HELLO", 2: "AUTH", 3: "REQUEST", 4: "REPLY", 5: "ERROR", 6: "CREDIT", 7: "CANCEL", 8: "PING", 9: "GOAWAY"}


# --- BSON -------------------------------------------------------------------------------------------------------------


class Raw:
    """An element with its own type byte and content."""

    def __init__(self, tag, content=b""):
        self.tag, self.content = tag, content


class I64(int):
    """An integer that is written wide, though it would fit the narrow form."""


def cstring(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"


def element(name, value):
    if isinstance(value, Raw):
        return bytes([value.tag]) + cstring(name) + value.content
    if value is None:
        return b"\x0a" + cstring(name)
    if isinstance(value, bool):
        return b"\x08" + cstring(name) + bytes([value])
    if isinstance(value, int):
        if -(2**31) <= value < 2**31 and not isinstance(value, I64):
            return b"\x10" + cstring(name) + struct.pack("<i", value)
        return b"\x12" + cstring(name) + struct.pack("<q", value)
    if isinstance(value, float):
        return b"\x01" + cstring(name) + struct.pack("<d", value)
    if isinstance(value, str):
        text = cstring(value)
        return b"\x02" + cstring(name) + struct.pack("<i", len(text)) + text
    if isinstance(value, bytes):
        return b"\x05" + cstring(name) + struct.pack("<i", len(value)) + b"\0" + value
    if isinstance(value, dict):
        return b"\x03" + cstring(name) + doc(value)
    if isinstance(value, list):
        return b"\x04" + cstring(name) + doc([(str(at), each) for at, each in enumerate(value)])
    raise TypeError(value)


def doc(fields):
    """A document of a dict, or of pairs where names repeat."""
    pairs = fields.items() if isinstance(fields, dict) else fields
    content = b"".join(element(name, value) for name, value in pairs)
    return struct.pack("<i", len(content) + 5) + content + b"\0"


def plain(value):
    """The JSON that `fields` shows."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def counter(value):
    """The signed integer with the bits of `value`."""
    return value - 2**64 if value >= 2**63 else value


EMPTY = doc({})


# --- Frames -----------------------------------------------------------------------------------------------------------


def frame(kind, ident, body, flags=0, length=None, reserved=0):
    return struct.pack("<IBBHQ", len(body) if length is None else length, kind, flags, reserved, ident) + body


def sized(total):
    """A REQUEST body of exactly `total` bytes."""
    fields = {"op": "execute", "sql": ""}
    fields["sql"] = "x" * (total - len(doc(fields)))
    body = doc(fields)
    assert len(body) == total
    return body


def frames():
    cases = []

    def add(name, data, *events, side="server", authenticated=True, **more):
        cases.append({"name": name, "side": side, "authenticated": authenticated, **more, "frames": data.hex(), "events": list(events)})

    def bad(name, data, error, closes=True, before=(), **more):
        add(name, data, *before, error, **more)
        cases[-1].update(error=error, closes=closes)

    ping = frame(PING, 0, EMPTY)
    add("ping", ping, "message PING 0 5")
    add("answer to ping", frame(PING, 0, EMPTY, END), "message PING 0 5", side="client")
    add("request", frame(REQUEST, 1, doc({"op": "execute", "sql": "select 1"})), "message REQUEST 1 39")
    add("largest id", frame(REQUEST, 2**53 - 1, sized(64)), f"message REQUEST {2**53 - 1} 64")
    add("gaps between ids", frame(REQUEST, 5, sized(64)) + frame(REQUEST, 900, sized(65)), "message REQUEST 5 64", "message REQUEST 900 65")
    add("cancel", frame(CANCEL, 7, EMPTY), "message CANCEL 7 5")
    add("credit to a server", frame(CREDIT, 7, doc({"bytes": 1})), "message CREDIT 7 16")
    add("credit to a client", frame(CREDIT, 7, doc({"bytes": 1})), "message CREDIT 7 16", side="client")
    add("reply without END", frame(REPLY, 7, EMPTY), "message REPLY 7 5", side="client")
    add("reply with END", frame(REPLY, 7, doc({"end": {}}), END), "message REPLY 7 15", side="client")
    error = doc({"errno": 1064, "sqlstate": "42000", "code": "invalid", "message": "", "executed": "no"})
    add("error of a request", frame(ERROR, 7, error, END), f"message ERROR 7 {len(error)}", side="client")
    add("error of the connection", frame(ERROR, 0, error, END), f"message ERROR 0 {len(error)}", side="client")
    add("error before authentication", frame(ERROR, 0, error, END), f"message ERROR 0 {len(error)}", side="client", authenticated=False)
    goaway = doc({"drain_ms": 1000, "reason": "restart"})
    add("goaway", frame(GOAWAY, 0, goaway), f"message GOAWAY 0 {len(goaway)}", side="client")
    add("unknown kind 128 is skipped", frame(128, 9, b"no BSON") + ping, "skipped", "message PING 0 5")
    add("unknown kind 255 without body is skipped", frame(255, 0, b"", MORE) + ping, "skipped", "message PING 0 5")
    add("nothing before authentication but HELLO", frame(HELLO, 0, EMPTY), "message HELLO 0 5", authenticated=False)
    add("largest frame before authentication", frame(HELLO, 0, sized(16384)), "message HELLO 0 16384", authenticated=False)
    body = sized(10000)
    add("two fragments", frame(REQUEST, 1, body[:4096], MORE) + frame(REQUEST, 1, body[4096:]), "partial 1 4096/10000", "message REQUEST 1 10000")
    add("last fragment of one byte", frame(REQUEST, 1, body[:9999], MORE) + frame(REQUEST, 1, body[9999:]), "partial 1 9999/10000", "message REQUEST 1 10000")
    other = sized(5000)
    add(
        "interleaved fragments of two ids",
        frame(REQUEST, 1, body[:4096], MORE) + frame(REQUEST, 2, other[:4096], MORE) + frame(REQUEST, 1, body[4096:]) + frame(REQUEST, 2, other[4096:]),
        "partial 1 4096/10000", "partial 2 4096/5000", "message REQUEST 1 10000", "message REQUEST 2 5000",
    )
    add(
        "control frames between fragments",
        frame(REQUEST, 1, body[:5000], MORE) + ping + frame(CANCEL, 1, EMPTY) + frame(REQUEST, 1, body[5000:]),
        "partial 1 5000/10000", "message PING 0 5", "message CANCEL 1 5", "message REQUEST 1 10000",
    )
    add(
        "fragments of a reply carry END each",
        frame(REPLY, 1, body[:4096], MORE | END) + frame(REPLY, 1, body[4096:], END),
        "partial 1 4096/10000", "message REPLY 1 10000", side="client",
    )
    add(
        "an error ends an unfinished reply",
        frame(REPLY, 1, body[:4096], MORE) + frame(ERROR, 1, error, END) + frame(REPLY, 2, EMPTY),
        "partial 1 4096/10000", f"message ERROR 1 {len(error)}", "message REPLY 2 5", side="client",
    )
    free = sized(65536)
    add("the free part of an upload", frame(REQUEST, 1, free), "message REQUEST 1 65536")

    for number in (0, 10, 16, 127):
        bad(f"unknown kind {number}", frame(number, 0, EMPTY), "unknown_kind")
    bad("MORE on HELLO", frame(HELLO, 0, EMPTY, MORE), "bad_flags", authenticated=False)
    bad("MORE on CREDIT", frame(CREDIT, 1, EMPTY, MORE), "bad_flags")
    bad("END on REQUEST", frame(REQUEST, 1, EMPTY, END), "bad_flags")
    bad("compression on REQUEST", frame(REQUEST, 1, EMPTY, 4), "bad_flags")
    bad("flag 128 on an unknown kind", frame(200, 1, EMPTY, 128), "bad_flags")
    bad("ERROR without END", frame(ERROR, 1, error), "bad_flags", side="client")
    bad("reserved bytes", frame(PING, 0, EMPTY, reserved=1), "reserved")
    bad("reserved high byte", frame(PING, 0, EMPTY, reserved=0x8000), "reserved")
    bad("id of 2^53", frame(REQUEST, 2**53, EMPTY), "bad_id")
    bad("id of 2^64 - 1 on an unknown kind", frame(128, 2**64 - 1, b""), "bad_id")
    bad("REQUEST without id", frame(REQUEST, 0, EMPTY), "bad_id")
    bad("CANCEL without id", frame(CANCEL, 0, EMPTY), "bad_id")
    bad("HELLO with id", frame(HELLO, 1, EMPTY), "bad_id", authenticated=False)
    bad("PING with id", frame(PING, 1, EMPTY), "bad_id")
    bad("GOAWAY with id", frame(GOAWAY, 1, goaway), "bad_id", side="client")
    bad("body above max_frame", frame(REQUEST, 1, b"", length=262145), "frame_too_large")
    bad("unknown kind above max_frame", frame(128, 1, b"", length=2**32 - 1), "frame_too_large")
    bad("body above 16 KiB before authentication", frame(HELLO, 0, b"", length=16385), "frame_too_large", authenticated=False)
    bad("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "unknown_kind", authenticated=False)
    bad("TLS where plain bytes are expected", bytes.fromhex("1603010200010001fc0303aaaaaaaaaa"), "unknown_kind", authenticated=False)
    bad("body below a document", frame(PING, 0, b"\x04\0\0\0"), "frame_too_small")
    bad("no body", frame(PING, 0, b""), "frame_too_small")
    bad("fragment below 4 KiB", frame(REQUEST, 1, body[:4095], MORE), "frame_too_small")
    bad("empty last fragment", frame(REQUEST, 1, body[:4096], MORE) + frame(REQUEST, 1, b""), "frame_too_small", before=["partial 1 4096/10000"])
    bad("fragment beyond the announced length", frame(REQUEST, 1, body[:5000], MORE) + frame(REQUEST, 1, body[5000:] + b"\0"), "bad_fragment", before=["partial 1 5000/10000"])
    bad("message ends early", frame(REQUEST, 1, body[:5000], MORE) + frame(REQUEST, 1, body[5000:9000]), "bad_fragment", before=["partial 1 5000/10000"])
    bad("MORE on the last bytes", frame(REQUEST, 1, body, MORE), "bad_fragment")
    bad("fragments differ in END", frame(REPLY, 1, body[:4096], MORE) + frame(REPLY, 1, body[4096:], END), "bad_fragment", before=["partial 1 4096/10000"], side="client")
    bad("id used twice", frame(REQUEST, 3, sized(64)) + frame(REQUEST, 3, sized(64)), "id_not_increasing", before=["message REQUEST 3 64"])
    bad("id goes back", frame(REQUEST, 3, sized(64)) + frame(REQUEST, 2, sized(64)), "id_not_increasing", before=["message REQUEST 3 64"])
    large = sized(65537)
    bad("upload past the free part", frame(REQUEST, 1, large), "upload_without_credit")
    bad("fragments past the free part", frame(REQUEST, 1, large[:65536], MORE) + frame(REQUEST, 1, large[65536:]), "upload_without_credit", before=["partial 1 65536/65537"])
    bad("reply to a server", frame(REPLY, 1, EMPTY), "unexpected_kind")
    bad("request to a client", frame(REQUEST, 1, EMPTY), "unexpected_kind", side="client")
    bad("ping from a server", frame(PING, 0, EMPTY), "unexpected_kind", side="client")
    bad("answer to a ping from a client", frame(PING, 0, EMPTY, END), "unexpected_kind")
    bad("HELLO twice", frame(HELLO, 0, EMPTY), "unexpected_kind")
    bad("request before authentication", frame(REQUEST, 1, EMPTY), "unexpected_kind", authenticated=False)
    bad("unknown kind before authentication", frame(128, 0, EMPTY), "unexpected_kind", authenticated=False)
    bad("document shorter than its frame", frame(PING, 0, EMPTY + b"\0"), "bad_structure")
    bad("document longer than its frame", frame(PING, 0, b"\x06\0\0\0\0"), "bad_structure")
    announced = struct.pack("<I", 65537) + b"\0" * 4092
    bad("message above max_message", frame(REQUEST, 1, announced, MORE) + frame(REQUEST, 1, b"\0") + ping, "message_too_large", closes=False, max_message=65536)
    cases[-1]["events"] = ["message_too_large", "skipped", "message PING 0 5"]
    return cases


# --- Documents --------------------------------------------------------------------------------------------------------


def nested(levels, array=False):
    body = EMPTY
    for _ in range(levels - 1):
        body = doc([("0" if array else "a", Raw(4 if array else 3, body))])
    return body


def documents():
    good = {
        "empty": EMPTY,
        "every type": doc({"a": 1.5, "b": "x", "c": {}, "d": [], "e": b"\0", "f": True, "g": None, "h": 1, "i": 2**40}),
        "empty name": doc({"": 1}),
        "NUL inside text": doc({"a": "x\0y"}),
        "text in four bytes of UTF-8": doc({"a": "\U0001f6a2"}),
        "array names are not looked at": doc([("a", Raw(4, doc([("7", 1), ("x", 2)])))]),
        "names may repeat where nobody knows them": doc([("x", 1), ("x", 2)]),
        "16 levels": nested(16),
        "16 levels of arrays": nested(16, True),
        "NaN is structure enough": doc({"a": float("nan")}),
    }
    bad = {
        "no bytes": (b"", "bad_structure"),
        "four bytes": (b"\x04\0\0\0", "bad_structure"),
        "length above the bytes": (b"\x06\0\0\0\0", "bad_structure"),
        "length below the bytes": (EMPTY + b"\0", "bad_structure"),
        "negative length": (b"\xff\xff\xff\xff\0", "bad_structure"),
        "no terminator": (b"\x05\0\0\0\x01", "bad_structure"),
        "terminator too early": (b"\x07\0\0\0\0\0\0", "bad_structure"),
        "name without end": (b"\x08\0\0\0\x0aab\0"[:7] + b"b", "bad_structure"),
        "name is not UTF-8": (doc([(b"\xff", 1)]), "bad_utf8"),
        "text is not UTF-8": (doc([("a", Raw(2, b"\x02\0\0\0\xff\0"))]), "bad_utf8"),
        "surrogate in text": (doc([("a", Raw(2, b"\x04\0\0\0\xed\xa0\x80\0"))]), "bad_utf8"),
        "text of length 0": (doc([("a", Raw(2, b"\0\0\0\0"))]), "bad_structure"),
        "text without NUL": (doc([("a", Raw(2, b"\x01\0\0\0x"))]), "bad_structure"),
        "text beyond the document": (doc([("a", Raw(2, b"\x40\0\0\0x\0"))]), "bad_structure"),
        "binary beyond the document": (doc([("a", Raw(5, b"\x40\0\0\0\0x"))]), "bad_structure"),
        "negative binary": (doc([("a", Raw(5, b"\xff\xff\xff\xff\0"))]), "bad_structure"),
        "binary of subtype 2": (doc([("a", Raw(5, b"\0\0\0\0\2"))]), "bad_type"),
        "binary of subtype 128": (doc([("a", Raw(5, b"\0\0\0\0\x80"))]), "bad_type"),
        "boolean 2": (doc([("a", Raw(8, b"\2"))]), "bad_bool"),
        "cut integer": (doc([("a", Raw(16, b"\0\0"))]), "bad_structure"),
        "inner document beyond the outer": (doc([("a", Raw(3, b"\x40\0\0\0\0"))]), "bad_structure"),
        "inner document of length 4": (doc([("a", Raw(3, b"\x04\0\0\0\0"))]), "bad_structure"),
        "inner document without terminator": (doc([("a", Raw(3, b"\x05\0\0\0\1"))]), "bad_structure"),
        "17 levels": (nested(17), "too_deep"),
        "500 levels": (nested(500), "too_deep"),
    }
    types = {6: "undefined", 7: "object id", 9: "date", 11: "regular expression", 12: "pointer", 13: "code", 14: "symbol", 15: "code with scope",
             17: "timestamp", 19: "decimal128", 127: "maximum key", 255: "minimum key"}
    for number, name in types.items():
        bad[f"{name} in an unknown field"] = (doc([("x", Raw(number, b"\0" * 16))]), "bad_type")
    cases = [{"name": name, "body": body.hex()} for name, body in good.items()]
    return cases + [{"name": name, "body": body.hex(), "error": error, "closes": True} for name, (body, error) in bad.items()]


# --- Messages ---------------------------------------------------------------------------------------------------------

CLIENT_HELLO = {
    "min": 1, "max": 1, "caps": ["x.one", "x.two"], "max_frame": 262144, "max_message": 134217728, "user": "ann", "mech": "SCRAM-SHA-256",
    "initial": b"n,,n=ann,r=abc", "driver": "rust/0.1.0", "app": "shop", "instance": "shop-7",
}
SERVER_HELLO = {
    "version": 1, "caps": [], "max_frame": 262144, "max_message": 134217728, "connection_id": 7, "flavour": "MariaDB", "mysql_version": "10.11.14-MariaDB",
    "gates": ["gate2:15300"], "incarnation": "6f1c", "max_age_ms": 3600000, "challenge": b"r=abcdef,s=YQ==,i=4096", "authenticated": False,
}
ERROR_BODY = {"errno": 1213, "sqlstate": "40001", "code": "conflict", "message": "deadlock found; run the transaction again", "executed": "no", "retryable": True}


def but(fields, **changes):
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


def messages():
    cases = []

    def good(kind, name, fields, canonical=None):
        case = {"name": name, "type": kind, "body": doc(fields).hex(), "fields": plain(dict(fields) if canonical is None else canonical)}
        if canonical is not None:
            case["canonical"] = doc(canonical).hex()
        cases.append(case)

    def bad(kind, name, fields, error, closes=False):
        cases.append({"name": name, "type": kind, "body": doc(fields).hex(), "error": error, "closes": closes})

    good("client_hello", "client hello", CLIENT_HELLO)
    good("client_hello", "client hello with EXTERNAL", but(CLIENT_HELLO, user="", mech="EXTERNAL", initial=b"", caps=[]))
    good("client_hello", "unknown field and unknown capability in hello", but(CLIENT_HELLO, zzz=[1, {"a": None}]), CLIENT_HELLO)
    good("client_hello", "least client hello", {"min": 1, "max": 9, "max_frame": 16384, "max_message": 1073741824, "mech": "NONE"},
         {"min": 1, "max": 9, "caps": [], "max_frame": 16384, "max_message": 1073741824, "user": "", "mech": "NONE", "initial": b"", "driver": "", "app": "", "instance": ""})
    for name in ("min", "max", "max_frame", "max_message", "mech"):
        bad("client_hello", f"client hello without {name}", but(CLIENT_HELLO, **{name: ...}), "missing_field")
    bad("client_hello", "version 0", but(CLIENT_HELLO, min=0), "bad_field")
    bad("client_hello", "lowest version above the highest", but(CLIENT_HELLO, min=2), "bad_field")
    bad("client_hello", "max_frame below 16 KiB", but(CLIENT_HELLO, max_frame=16383), "bad_field")
    bad("client_hello", "max_frame above 1 MiB", but(CLIENT_HELLO, max_frame=1048577), "bad_field")
    bad("client_hello", "max_message above 1 GiB", but(CLIENT_HELLO, max_message=1073741825), "bad_field")
    bad("client_hello", "unknown mechanism", but(CLIENT_HELLO, mech="PLAIN"), "bad_field")
    bad("client_hello", "user above 256 bytes", but(CLIENT_HELLO, user="u" * 257), "bad_field")
    bad("client_hello", "257 capabilities", but(CLIENT_HELLO, caps=["c"] * 257), "bad_field")
    bad("client_hello", "capability is a number", but(CLIENT_HELLO, caps=[1]), "bad_field")
    bad("client_hello", "initial above 4 KiB", but(CLIENT_HELLO, initial=b"x" * 4097), "bad_field")
    bad("client_hello", "version as a double", but(CLIENT_HELLO, min=1.0), "bad_field")
    bad("client_hello", "user twice", list(CLIENT_HELLO.items()) + [("user", "bob")], "duplicate_field")
    bad("client_hello", "unknown critical field in hello", but(CLIENT_HELLO, **{"!zzz": 1}), "unknown_critical")

    good("server_hello", "server hello", SERVER_HELLO)
    good("server_hello", "server hello with a connection id above 2^63", but(SERVER_HELLO, connection_id=counter(2**64 - 1), authenticated=True))
    bad("server_hello", "server hello without version", but(SERVER_HELLO, version=...), "missing_field")
    bad("server_hello", "gates as text", but(SERVER_HELLO, gates="gate2:15300"), "bad_field")

    good("auth", "auth", {"data": b"c=biws"})
    good("auth", "last auth", {"data": b"v=", "authenticated": True})
    good("auth", "authenticated false is left out", {"data": b"", "authenticated": False}, {"data": b""})
    bad("auth", "auth without data", {}, "missing_field")
    bad("auth", "data as text", {"data": "c=biws"}, "bad_field")
    bad("auth", "data above 4 KiB", {"data": b"x" * 4097}, "bad_field")

    execute = {"op": "execute", "sql": "select 1"}
    good("request", "open", {"op": "open", "s": 1, "state": {"target": "flights:-80@replica", "autocommit": False, "found_rows": True,
         "variables": {"sql_mode": "'ANSI'", "time_zone": "'+00:00'"}}})
    good("request", "open without settings", {"op": "open", "s": 2**53 - 1})
    good("request", "close", {"op": "close", "s": 1})
    good("request", "reset", {"op": "reset", "s": 1})
    good("request", "stateless execute", execute)
    good("request", "execute with everything", {"op": "execute", "s": 3, "chain": True, "credit": 0, "deadline_ms": 2**32 - 1, "caller": "ann",
         "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "sql": "select :a", "binds": {"a": 1}, "!target": "ks:0", "!max_rows": 10,
         "!read_only": True, "fh": counter(0xEF46DB3751D8E999), "warnings": 5, "!position": b"\1\2", "share": "next", "facts": True, "app": "shop",
         "row_key": "t\0id\x001"})
    good("request", "a read that runs by itself", {**execute, "share": "off"})
    good("request", "a read that may join a running one", {**execute, "share": "running"})
    good("request", "begin", {"op": "begin", "s": 1, "begin": {"isolation": "READ COMMITTED", "read_only": False, "snapshot": True, "mode": "twopc", "max_ms": 5000}})
    good("request", "open with what a session has besides settings", {"op": "open", "s": 1, "state": {
         "user_variables": {"a b": "_utf8mb4 x'61'", "\u00e4": "5"}, "prepared": {"s": "select ?"}, "last_insert_id": counter(2**64 - 1)}})
    good("request", "a statement with values of its session", {**execute, "values": {"user_variables": {"x": "NULL"}, "last_insert_id": 0, "found_rows": 0, "back": True, "whole": True}})
    good("request", "a statement with no value of its session", {**execute, "values": {}})
    good("request", "begin as it is", {"op": "begin", "s": 1})
    good("request", "commit, chained", {"op": "commit", "s": 1, "chain": True})
    good("request", "rollback", {"op": "rollback", "s": 1})
    good("request", "batch", {"op": "batch", "s": 1, "items": [{"sql": "insert into t values (:a)", "binds": {"a": 1}}, {"binds": {"a": 2}}], "atomic": True})
    good("request", "describe", {"op": "describe", "sql": "select ?"})
    good("request", "schema of a tablet", {"op": "tablet.schema"})
    good("request", "what a tablet's executions were shared for", {"op": "tablet.consolidations"})
    good("request", "integers in the wide form", [("op", "execute"), ("s", I64(3)), ("sql", "select 1")], {"op": "execute", "s": 3, "sql": "select 1"})
    good("request", "another order", [("sql", "select 1"), ("op", "execute")], execute)
    good("request", "defaults are left out", {**execute, "chain": False, "credit": 262144, "binds": {}, "warnings": 0, "atomic": False}, execute)
    good("request", "unknown field", {**execute, "hint": {"a": [1]}}, execute)
    bad("request", "unknown critical field", {**execute, "!cell": "eu"}, "unknown_critical")
    bad("request", "unknown critical field of a session", {"op": "open", "s": 1, "state": {"!role": "x"}}, "unknown_critical")
    bad("request", "unknown op", {"op": "explode"}, "unknown_op")
    bad("request", "no op", {"sql": "select 1"}, "missing_field")
    bad("request", "op is a number", {"op": 3}, "bad_field")
    bad("request", "op twice", [("op", "execute"), ("op", "execute"), ("sql", "select 1")], "duplicate_field")
    bad("request", "execute without sql", {"op": "execute"}, "missing_field")
    bad("request", "begin without session", {"op": "begin"}, "missing_field")
    bad("request", "session 0", {"op": "close", "s": 0}, "bad_field")
    bad("request", "session of 2^53", {"op": "close", "s": 2**53}, "bad_field")
    bad("request", "negative session", {"op": "close", "s": -1}, "bad_field")
    bad("request", "session as a double", {"op": "close", "s": 1.0}, "bad_field")
    bad("request", "chain as a number", {**execute, "chain": 1}, "bad_field")
    bad("request", "credit of 2^31", {**execute, "credit": 2**31}, "bad_field")
    bad("request", "negative deadline", {**execute, "deadline_ms": -1}, "bad_field")
    bad("request", "target that cannot be read", {**execute, "!target": "ks@master"}, "bad_field")
    bad("request", "position above 4 KiB", {**execute, "!position": b"x" * 4097}, "bad_field")
    bad("request", "binds as an array", {**execute, "binds": [1]}, "bad_field")
    bad("request", "bind twice", {**execute, "binds": Raw(3, doc([("a", 1), ("a", 2)]))}, "duplicate_field")
    bad("request", "bind without a name", {**execute, "binds": {"": 1}}, "bad_field")
    bad("request", "batch without items", {"op": "batch", "items": []}, "missing_field")
    bad("request", "first item without sql", {"op": "batch", "items": [{}]}, "missing_field")
    bad("request", "item is text", {"op": "batch", "items": ["select 1"]}, "bad_field")
    bad("request", "unknown way to share", {**execute, "share": "always"}, "bad_field")
    bad("request", "facts as a number", {**execute, "facts": 1}, "bad_field")
    bad("request", "application above 256 bytes", {**execute, "app": "x" * 257}, "bad_field")
    bad("request", "row key above 4 KiB", {**execute, "row_key": "x" * 4097}, "bad_field")
    bad("request", "unknown isolation", {"op": "begin", "s": 1, "begin": {"isolation": "SNAPSHOT"}}, "bad_field")
    bad("request", "unknown mode", {"op": "begin", "s": 1, "begin": {"mode": "many"}}, "bad_field")
    bad("request", "variable with an upper-case name", {"op": "open", "s": 1, "state": {"variables": {"SQL_MODE": "''"}}}, "bad_field")
    bad("request", "variable that is SQL", {"op": "open", "s": 1, "state": {"variables": {"a=1, b": "1"}}}, "bad_field")
    bad("request", "variable twice", {"op": "open", "s": 1, "state": {"variables": Raw(3, doc([("a", "1"), ("a", "2")]))}}, "duplicate_field")
    bad("request", "user variable without a name", {"op": "open", "s": 1, "state": {"user_variables": {"": "1"}}}, "bad_field")
    bad("request", "user variable with a name above 256 bytes", {"op": "open", "s": 1, "state": {"user_variables": {"x" * 257: "1"}}}, "bad_field")
    bad("request", "user variable twice", {"op": "open", "s": 1, "state": {"user_variables": Raw(3, doc([("a", "1"), ("a", "2")]))}}, "duplicate_field")
    bad("request", "257 user variables", {**execute, "values": {"user_variables": {f"v{at}": "1" for at in range(257)}}}, "bad_field")
    bad("request", "prepared statement that is no text", {"op": "open", "s": 1, "state": {"prepared": {"a": 1}}}, "bad_field")
    bad("request", "date in an unknown field", {**execute, "x": Raw(9, b"\0" * 8)}, "bad_type", True)

    row = b"\x01\0\0\0\xfb"
    good("reply", "empty reply", {})
    good("reply", "a point select in one frame", {"fields": b"\0", "fh": 1, "end": {"rows": 1}, "n": 1, "rows": row})
    good("reply", "fields are known", {"fh": counter(2**63), "n": 2, "rows": row + row})
    good("reply", "no rows", {"fh": 5, "end": {}})
    good("reply", "an insert", {"end": {"affected": 1, "insert_id": counter(2**64 - 1), "status": 2, "position": b"gtid", "info": "Records: 1"}})
    good("reply", "end with everything", {"end": {"rows": 2, "affected": 3, "insert_id": 4, "warnings": 1, "status": 10, "in_tx": True, "pinned": True, "position": b"p",
         "matched": 5, "info": "i", "capped": {"by": "gate", "limit": 2}, "state": {"target": "ks", "autocommit": True, "variables": {"sql_mode": "''"}},
         "texts": [{"level": "Warning", "errno": 1265, "message": "Data truncated"}], "item": 1,
         "ran": {"shards": 2, "wait_us": 10, "mysql_us": 900, "shared": True, "slowest": "-80", "slowest_us": 800}}})
    good("reply", "values of the session after a statement", {"end": {"values": {"user_variables": {"x": "1.5"}, "found_rows": 1000}}})
    good("reply", "state besides settings", {"end": {"state": {"user_variables": {"x": "NULL"}, "prepared": {"s": ""}, "last_insert_id": 7}}})
    good("reply", "ran by itself on one shard", {"end": {"ran": {"shards": 1, "mysql_us": counter(2**64 - 1)}}})
    good("reply", "describe", {"params": 2})
    good("reply", "schema", {"json": "{}", "end": {}})
    good("reply", "rows need not come last", [("rows", row), ("n", 1)], {"n": 1, "rows": row})
    good("reply", "unknown fields of a reply", {"end": {"zzz": 1}, "yyy": "x"}, {"end": {}})
    bad("reply", "rows without a count", {"rows": row}, "missing_field")
    bad("reply", "count without rows", {"n": 1}, "missing_field")
    bad("reply", "rows as text", {"n": 1, "rows": "x"}, "bad_field")
    bad("reply", "end twice", [("end", {}), ("end", {})], "duplicate_field")
    bad("reply", "capped by nobody", {"end": {"capped": {"limit": 1}}}, "missing_field")
    bad("reply", "shards as text", {"end": {"ran": {"shards": "2"}}}, "bad_field")
    bad("reply", "status above 65,535", {"end": {"status": 65536}}, "bad_field")

    good("error", "deadlock", ERROR_BODY)
    good("error", "error with everything", {"errno": 61002, "sqlstate": "08S01", "code": "unavailable", "message": "shard -80 has no primary", "executed": "no", "retryable": True,
         "in_tx": True, "retry_after_ms": 50, "elsewhere": True, "shard": "-80", "item": 3})
    good("error", "partial", but(ERROR_BODY, code="internal", executed="partial", retryable=...))
    good("error", "unknown code", but(ERROR_BODY, code="on_fire"))
    good("error", "unknown executed reads as unknown", but(ERROR_BODY, executed="maybe", retryable=...), but(ERROR_BODY, executed="unknown", retryable=...))
    good("error", "retryable needs executed no", but(ERROR_BODY, executed="unknown"), but(ERROR_BODY, executed="unknown", retryable=...))
    good("error", "text of other scripts", but(ERROR_BODY, message="表 does not exist"))
    for name in ("errno", "sqlstate", "code"):
        bad("error", f"error without {name}", but(ERROR_BODY, **{name: ...}), "missing_field")
    bad("error", "SQLSTATE of four characters", but(ERROR_BODY, sqlstate="4000"), "bad_field")
    bad("error", "SQLSTATE with a space", but(ERROR_BODY, sqlstate="4000 "), "bad_field")
    bad("error", "errno above 65,535", but(ERROR_BODY, errno=65536), "bad_field")

    good("credit", "credit", {"bytes": 65536})
    good("credit", "largest credit", {"bytes": 2**31 - 1})
    bad("credit", "credit of 0", {"bytes": 0}, "bad_field")
    bad("credit", "credit of 2^31", {"bytes": 2**31}, "bad_field")
    bad("credit", "credit without bytes", {}, "missing_field")
    good("goaway", "goaway", {"drain_ms": 30000, "reason": "restart"})
    bad("goaway", "goaway without time", {"reason": "x"}, "missing_field")
    cases.append({"name": "cancel and ping", "type": "empty", "body": EMPTY.hex()})
    cases.append({"name": "ping with an unknown field", "type": "empty", "body": doc({"t": 1}).hex()})
    bad("empty", "cancel with a critical field", {"!why": 1}, "unknown_critical")
    return cases


# --- Values -----------------------------------------------------------------------------------------------------------


def values():
    def case(name, value):
        return {"name": name, "body": doc({"op": "execute", "sql": "select :b", "binds": {"b": value}}).hex()}

    def typed(kind, value, **more):
        return {"t": kind, **more, "v": value}

    point = bytes.fromhex("e6100000" "0101000000" "000000000000f03f" "0000000000000040")
    good = [
        ("null", None, {"null": True}),
        ("integer", 5, {"int": "5"}),
        ("negative integer", -5, {"int": "-5"}),
        ("integer of 32 bits in the wide form", I64(5), {"int": "5"}),
        ("least integer", -(2**63), {"int": str(-(2**63))}),
        ("largest signed integer", 2**63 - 1, {"int": str(2**63 - 1)}),
        ("true", True, {"int": "1"}),
        ("false", False, {"int": "0"}),
        ("double", 1.5, {"double": 1.5}),
        ("negative zero", -0.0, {"double": -0.0}),
        ("largest double", 1.7976931348623157e308, {"double": 1.7976931348623157e308}),
        ("text", "O'Hare \\ \U0001f6eb", {"text": "O'Hare \\ \U0001f6eb"}),
        ("empty text", "", {"text": ""}),
        ("bytes", b"\0\xff'", {"bytes": "00ff27"}),
        ("no bytes", b"", {"bytes": ""}),
        ("largest unsigned", typed("u64", str(2**64 - 1)), {"uint": str(2**64 - 1)}),
        ("u64 that fits a signed integer", typed("u64", "7"), {"int": "7"}),
        ("decimal", typed("decimal", "-123.4500"), {"decimal": "-123.4500"}),
        ("decimal of 65 digits", typed("decimal", "9" * 65), {"decimal": "9" * 65}),
        ("date", typed("date", "2026-11-24"), {"date": "2026-11-24"}),
        ("zero date", typed("date", "0000-00-00"), {"date": "0000-00-00"}),
        ("time beyond a day", typed("time", "-838:59:59.000001"), {"time": "-838:59:59.000001"}),
        ("datetime", typed("datetime", "2026-11-24 02:30:00.5"), {"datetime": "2026-11-24 02:30:00.5"}),
        ("JSON", typed("json", '{"a": [1, null]}'), {"json": '{"a": [1, null]}'}),
        ("bit", typed("bit", b"\x05"), {"bit": "05"}),
        ("geometry", typed("geometry", point), {"geometry": point.hex()}),
        ("text in latin1", typed("text", b"caf\xe9", cs="latin1"), {"charset_text": ["latin1", "636166e9"]}),
        ("v before t", {"v": "1.0", "t": "decimal"}, {"decimal": "1.0"}),
        ("unknown field of a typed value", {"t": "decimal", "v": "1.0", "note": 1}, {"decimal": "1.0"}),
        ("list", [1, "a", None, typed("decimal", "1.5")], {"list": [{"int": "1"}, {"text": "a"}, {"null": True}, {"decimal": "1.5"}]}),
        ("list of tuples", [[1, "a"], [2, "b"]], {"list": [{"tuple": [{"int": "1"}, {"text": "a"}]}, {"tuple": [{"int": "2"}, {"text": "b"}]}]}),
    ]
    bad = [
        ("NaN", float("nan"), "bad_field"),
        ("infinity", float("-inf"), "bad_field"),
        ("empty list", [], "bad_field"),
        ("empty tuple", [[]], "bad_field"),
        ("tuples of two lengths", [[1], [1, 2]], "bad_field"),
        ("scalar among tuples", [[1], 1], "bad_field"),
        ("list in a tuple", [[[1]]], "bad_field"),
        ("unknown type", typed("uuid", "x"), "unknown_value_type"),
        ("no t", {"v": "1"}, "bad_field"),
        ("no v", {"t": "decimal"}, "bad_field"),
        ("t twice", Raw(3, doc([("t", "date"), ("t", "time"), ("v", "00:00:00")])), "duplicate_field"),
        ("critical field of a typed value", {"t": "decimal", "v": "1", "!scale": 2}, "unknown_critical"),
        ("u64 above 64 bits", typed("u64", str(2**64)), "bad_field"),
        ("u64 with a sign", typed("u64", "+1"), "bad_field"),
        ("u64 as an integer", typed("u64", 1), "bad_field"),
        ("decimal with an exponent", typed("decimal", "1e3"), "bad_field"),
        ("decimal that is SQL", typed("decimal", "1; drop table t"), "bad_field"),
        ("decimal of 66 digits", typed("decimal", "9" * 66), "bad_field"),
        ("decimal of other digits", typed("decimal", "\u0663"), "bad_field"),
        ("date with a time", typed("date", "2026-11-24 00:00:00"), "bad_field"),
        ("month 13", typed("date", "2026-13-01"), "bad_field"),
        ("839 hours", typed("time", "839:00:00"), "bad_field"),
        ("seven digits of fraction", typed("time", "00:00:00.1234567"), "bad_field"),
        ("datetime with a zone", typed("datetime", "2026-11-24 00:00:00Z"), "bad_field"),
        ("datetime with T", typed("datetime", "2026-11-24T00:00:00"), "bad_field"),
        ("bit of 9 bytes", typed("bit", b"x" * 9), "bad_field"),
        ("bit of none", typed("bit", b""), "bad_field"),
        ("geometry too short", typed("geometry", b"x" * 8), "bad_field"),
        ("text without charset", typed("text", b"x"), "bad_field"),
        ("charset that is SQL", typed("text", b"x", cs="latin1 '"), "bad_field"),
        ("charset on a decimal", typed("decimal", "1", cs="latin1"), "bad_field"),
    ]
    closing = [("decimal128", Raw(0x13, b"\0" * 16), "bad_type"), ("BSON date", Raw(9, b"\0" * 8), "bad_type")]
    cases = [{**case(name, value), "value": expected} for name, value, expected in good]
    cases += [{**case(name, value), "error": error, "closes": False} for name, value, error in bad]
    return cases + [{**case(name, value), "error": error, "closes": True} for name, value, error in closing]


# --- Rows and fields --------------------------------------------------------------------------------------------------


def lenenc(data):
    size = len(data)
    if size < 251:
        return bytes([size]) + data
    if size < 2**16:
        return b"\xfc" + struct.pack("<H", size) + data
    return b"\xfd" + struct.pack("<I", size)[:3] + data


def text_row(cells):
    return b"".join(b"\xfb" if cell is None else lenenc(cell) for cell in cells)


def packed(parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def rows():
    good = {
        "one row": [[b"1", b"Frankfurt", None]],
        "two rows": [[b"1"], [b"2"]],
        "only NULL": [[None, None]],
        "empty cell": [[b"", b"x"]],
        "250 and 251 bytes": [[b"a" * 250, b"b" * 251]],
        "65,535 and 65,536 bytes": [[b"a" * 65535], [b"b" * 65536]],
        "bytes that are no text": [[b"\xff\xfe\x00"]],
        "no rows": [],
    }
    cases = []
    for name, table in good.items():
        cells = [[None if cell is None else cell.hex() for cell in row] for row in table]
        cases.append({"name": name, "packed": packed(map(text_row, table)).hex(), "n": len(table), "rows": cells})
    bad = {
        "count below": (packed([b"\x011", b"\x012"]), 1),
        "count above": (packed([b"\x011"]), 2),
        "cut length": (b"\x02\0\0", 1),
        "row beyond the batch": (b"\x03\0\0\0\x011", 1),
        "length of 2^32 - 1": (b"\xff\xff\xff\xff\x011", 1),
        "cell beyond the row": (packed([b"\x05abc"]), 1),
        "cut wide length": (packed([b"\xfc\x01"]), 1),
        "cell of 2^64 - 1": (packed([b"\xfe" + b"\xff" * 8]), 1),
        "FF is no length": (packed([b"\xff"]), 1),
    }
    return cases + [{"name": name, "packed": data.hex(), "n": count, "error": "bad_packing", "closes": True} for name, (data, count) in bad.items()]


def xxh64(data):
    """xxHash64 with seed 0, after its specification."""
    mask = 2**64 - 1
    p1, p2, p3, p4, p5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5

    def rotate(value, bits):
        return ((value << bits) | (value >> (64 - bits))) & mask

    def turn(lane, word):
        return rotate((lane + word * p2) & mask, 31) * p1 & mask

    at, size = 0, len(data)
    if size >= 32:
        lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 32 <= size:
            lanes = [turn(lane, word) for lane, word in zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        result = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            result = ((result ^ turn(0, lane)) * p1 + p4) & mask
    else:
        result = p5
    result = (result + size) & mask
    while at + 8 <= size:
        result = (rotate(result ^ turn(0, struct.unpack_from("<Q", data, at)[0]), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= size:
        result = (rotate(result ^ struct.unpack_from("<I", data, at)[0] * p1 & mask, 23) * p2 + p3) & mask
        at += 4
    for byte in data[at:]:
        result = rotate(result ^ byte * p5 & mask, 11) * p1 & mask
    for shift, prime in ((33, p2), (29, p3)):
        result = (result ^ (result >> shift)) * prime & mask
    return result ^ (result >> 32)


assert xxh64(b"") == 0xEF46DB3751D8E999 and xxh64(b"abc") == 0x44BC2CF5AD770999


def definition(schema="flights", table="f", org_table="flight", name="km", org_name="distance", charset=63, length=11, type=3, flags=1, decimals=0):
    names = b"".join(lenenc(each.encode()) for each in ("def", schema, table, org_table, name, org_name))
    return names + b"\x0c" + struct.pack("<HIBHB", charset, length, type, flags, decimals) + b"\0\0"


def fields():
    columns = {
        "an INT column": [{}],
        "an expression": [dict(schema="", table="", org_table="", name="count(*)", org_name="", length=21, type=8)],
        "BIGINT UNSIGNED": [dict(type=8, flags=33, length=20)],
        "text": [dict(charset=45, type=253, length=1020, name="größe")],
        "DECIMAL": [dict(type=246, decimals=2, length=12)],
        "alias of 251 bytes": [dict(name="a" * 251)],
        "two columns": [{}, dict(name="carrier", org_name="carrier", charset=255, type=254, length=8, flags=0)],
    }
    cases = []
    for name, list_ in columns.items():
        data = packed([definition(**column) for column in list_])
        full = [{**dict(schema="flights", table="f", org_table="flight", name="km", org_name="distance", charset=63, length=11, type=3, flags=1, decimals=0), **column} for column in list_]
        cases.append({"name": name, "packed": data.hex(), "fh": f"{xxh64(data):016x}", "columns": full})
    whole = definition()
    bad = {
        "another catalogue": packed([b"\x03abc" + whole[4:]]),
        "cut definition": packed([whole[:-1]]),
        "definition with bytes behind": packed([whole + b"\0"]),
        "fixed part of another length": packed([whole.replace(b"\x0c\x3f", b"\x0d\x3f")]),
        "definition beyond the fields": struct.pack("<I", 500) + whole,
        "name beyond the definition": packed([b"\x03def\xfc\xff\xff"]),
        "empty definition": packed([b""]),
    }
    return cases + [{"name": name, "packed": data.hex(), "error": "bad_packing", "closes": True} for name, data in bad.items()]


# --- SCRAM ------------------------------------------------------------------------------------------------------------


def b64(data):
    return base64.b64encode(data).decode()


def scram_exchange(user, password, client_nonce, server_nonce, salt, iterations, header="n,,", binding=b""):
    name = user.replace("=", "=3D").replace(",", "=2C")
    bare = f"n={name},r={client_nonce}"
    server_first = f"r={client_nonce}{server_nonce},s={b64(salt)},i={iterations}"
    without_proof = f"c={b64(header.encode() + binding)},r={client_nonce}{server_nonce}"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    sign = lambda key, text: hmac.new(key, text, "sha256").digest()
    client_key, server_key = sign(salted, b"Client Key"), sign(salted, b"Server Key")
    stored_key = hashlib.sha256(client_key).digest()
    message = f"{bare},{server_first},{without_proof}".encode()
    proof = bytes(left ^ right for left, right in zip(client_key, sign(stored_key, message)))
    return {
        "user": user, "password": password, "client_nonce": client_nonce, "server_nonce": server_nonce, "binding": binding.hex() if header.startswith("p") else None,
        "flag": header[0], "stored": f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored_key)}:{b64(server_key)}",
        "client_first": header + bare, "server_first": server_first, "client_final": f"{without_proof},p={b64(proof)}",
        "server_final": f"v={b64(sign(server_key, message))}",
    }


def scram():
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    rfc = scram_exchange("user", "pencil", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", salt, 4096)
    assert rfc["client_final"].endswith("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    plus = "p=tls-server-end-point,,"
    cases = [
        {"name": "RFC 7677", **rfc},
        {"name": "name that is escaped", **scram_exchange("a,b=c", "pencil", "abc", "def", salt, 4096)},
        {"name": "password in another script", **scram_exchange("élodie", "パスワード", "abc", "def", salt, 4097)},
        {"name": "empty password", **scram_exchange("ann", "", "abc", "def", b"\0", 4096)},
        {"name": "PLUS", **scram_exchange("ann", "pencil", "abc", "def", salt, 4096, plus, hashlib.sha256(b"certificate").digest())},
        {"name": "client could bind, server cannot", **scram_exchange("ann", "pencil", "abc", "def", salt, 4096, "y,,")},
    ]
    final = rfc["client_final"]
    steps = [
        ("client_first", "no header", "n=user,r=abc"), ("client_first", "another identity", "n,a=root,n=user,r=abc"),
        ("client_first", "extension", "n,,m=x,n=user,r=abc"), ("client_first", "another user", "n,,n=root,r=abc"),
        ("client_first", "binding without TLS", "p=tls-server-end-point,,n=user,r=abc"), ("client_first", "empty nonce", "n,,n=user,r="),
        ("client_final", "wrong proof", final[:-5] + "AAA" + final[-2:]), ("client_final", "another nonce", final.replace("r=rOpr", "r=xOpr")),
        ("client_final", "another binding", final.replace("c=biws", "c=eSws")), ("client_final", "no proof", final.split(",p=")[0]),
        ("server_first", "another nonce", rfc["server_first"].replace("r=rOpr", "r=xOpr")), ("server_first", "too few iterations", rfc["server_first"].replace("4096", "4095")),
        ("server_first", "too many iterations", rfc["server_first"].replace("4096", "600001")), ("server_first", "nonce adds nothing", "r=rOprNGfwEbeRWgbNEkqO,s=YQ==,i=4096"),
        ("server_final", "wrong signature", "v=" + b64(b"\0" * 32)), ("server_final", "an error", "e=other-error"),
    ]
    return cases + [{"name": f"{step}: {name}", **rfc, step: message, "refused": step} for step, name, message in steps]


def codes():
    table = """invalid 1064 42000 0|data 1366 HY000 0|constraint 1062 23000 0|not_found 1146 42S02 0|unsupported 1235 42000 0|unauthenticated 1045 28000 0
denied 1142 42000 0|too_large 1153 08S01 0|exhausted 1203 42000 1|throttled 61001 HY000 1|unavailable 61002 08S01 1|draining 1053 08S01 1
deadline 3024 HY000 0|cancelled 1317 70100 0|skipped 61003 HY000 0|conflict 1213 40001 1|tx_lost 61004 40000 0|session_lost 61005 08S01 1
outcome_unknown 61006 08007 0|protocol 61007 08S01 0|internal 61000 HY000 0"""
    rows_ = [line.split() for line in table.replace("\n", "|").split("|")]
    return [{"code": code, "errno": int(errno), "sqlstate": state, "retryable": retry == "1"} for code, errno, state, retry in rows_]


# --- Transcripts ------------------------------------------------------------------------------------------------------


class Transcript:
    """A conversation after authentication, unless it begins otherwise."""

    def __init__(self, name, about, authenticated=True):
        self.data = {"name": name, "about": about, "authenticated": authenticated, "steps": []}

    def step(self, side, data, messages_, **more):
        self.data["steps"].append({"side": side, "hex": data.hex(), "messages": messages_, **more})
        return self

    def send(self, side, kind, ident, fields_, flags=0, **more):
        return self.step(side, frame(kind, ident, doc(fields_), flags), [f"{KINDS[kind]} {ident}"], **more)

    def request(self, ident, **fields_):
        order = ("op", "s", "chain", "credit", "sql")
        known = {name: fields_.pop(name) for name in order if name in fields_}
        return self.send("client", REQUEST, ident, {**known, **{name.replace("X", "!"): value for name, value in fields_.items()}})

    def reply(self, ident, fields_, flags=END):
        return self.send("server", REPLY, ident, fields_, flags)

    def error(self, ident, code, errno, state, **more):
        body = {"errno": errno, "sqlstate": state, "code": code, "message": f"{code} in a vector", "executed": "no", **more}
        return self.send("server", ERROR, ident, body, END)

    def cancel(self, ident):
        return self.send("client", CANCEL, ident, {})


def transcripts():
    exchange = scram_exchange("ann", "pencil", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    row = packed([text_row([b"1"])])
    columns = packed([definition(schema="", table="", org_table="", name="1", org_name="")])
    point = {"fields": columns, "fh": counter(xxh64(columns)), "end": {"rows": 1, "status": 2}, "n": 1, "rows": row}
    all_ = []

    def new(name, about, **more):
        all_.append(Transcript(name, about, **more))
        return all_[-1]

    new("hello", "Authentication by SCRAM, a session and its first statement sent together, a point select in one frame.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, initial=exchange["client_first"].encode())) \
        .send("server", HELLO, 0, but(SERVER_HELLO, challenge=exchange["server_first"].encode())) \
        .send("client", AUTH, 0, {"data": exchange["client_final"].encode()}) \
        .send("server", AUTH, 0, {"data": exchange["server_final"].encode(), "authenticated": True}) \
        .step("client", frame(REQUEST, 1, doc({"op": "open", "s": 1, "state": {"target": "flights"}})) + frame(REQUEST, 2, doc({"op": "execute", "s": 1, "sql": "select 1"})), ["REQUEST 1", "REQUEST 2"]) \
        .reply(1, {"end": {}}).reply(2, point).send("client", PING, 0, {}).send("server", PING, 0, {}, END)
    new("wrong-password", "A proof that does not fit: ERROR on id 0, and the server closes.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, initial=exchange["client_first"].encode())) \
        .send("server", HELLO, 0, but(SERVER_HELLO, challenge=exchange["server_first"].encode())) \
        .send("client", AUTH, 0, {"data": exchange["client_final"].replace("p=", "p=AAAA")[:-4].encode()}) \
        .error(0, "unauthenticated", 1045, "28000")
    new("unknown-capability", "A capability that the server does not know is ignored: the answer holds the common ones.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, caps=["x.unheard-of"], mech="NONE", initial=b"")) \
        .send("server", HELLO, 0, but(SERVER_HELLO, caps=[], challenge=b"", authenticated=True)) \
        .request(1, op="execute", sql="select 1").reply(1, point)
    new("version", "No common version: the server names its range and closes.", authenticated=False) \
        .send("client", HELLO, 0, but(CLIENT_HELLO, min=7, max=9)).error(0, "unsupported", 1235, "42000")
    new("chain-failure", "A pipeline whose second statement fails: the rest is skipped, the COMMIT too, then a rollback.") \
        .request(1, op="begin", s=1).request(2, op="execute", s=1, chain=True, sql="insert into t values (1)") \
        .request(3, op="execute", s=1, chain=True, sql="insert into t values (2)").request(4, op="commit", s=1, chain=True) \
        .reply(1, {"end": {"in_tx": True}}).error(2, "constraint", 1062, "23000", in_tx=True) \
        .error(3, "skipped", 61003, "HY000", in_tx=True).error(4, "skipped", 61003, "HY000", in_tx=True) \
        .request(5, op="rollback", s=1).reply(5, {"end": {}})
    new("late-cancel", "The cancel meets a request that has ended: nothing more is said of it.") \
        .request(1, op="execute", sql="select 1").reply(1, point).cancel(1).request(2, op="execute", sql="select 1").reply(2, point)
    new("running-cancel", "A running statement is cancelled: its END is the answer, and rows before it are void.") \
        .request(1, op="execute", sql="select * from flight").reply(1, {"fields": columns, "fh": 1, "n": 1, "rows": row}, 0) \
        .cancel(1).error(1, "cancelled", 1317, "70100")
    new("queued-cancel", "A request that waits for its session's earlier one is cancelled, and not run.") \
        .request(1, op="execute", s=1, sql="select sleep(1)").request(2, op="execute", s=1, sql="select 2").cancel(2) \
        .reply(1, point).error(2, "cancelled", 1317, "70100")
    new("zero-credit", "Credit 0: nothing with rows comes before CREDIT; control frames do.") \
        .request(1, op="execute", sql="select 1", credit=0).send("client", PING, 0, {}).send("server", PING, 0, {}, END) \
        .send("client", CREDIT, 1, {"bytes": 1}).reply(1, point)
    wide = packed([text_row([b"x" * 300000])])
    body = doc({"fh": 1, "end": {"rows": 1}, "n": 1, "rows": wide})
    cut = 262144
    new("row-above-a-frame", "A row larger than a frame: two fragments; the first is credited when it arrives.") \
        .request(1, op="execute", sql="select repeat('x', 300000)") \
        .step("server", frame(REPLY, 1, body[:cut], MORE | END), []).send("client", CREDIT, 1, {"bytes": cut}) \
        .step("server", frame(REPLY, 1, body[cut:], END), ["REPLY 1"])
    first, second = doc({"n": 1, "rows": packed([text_row([b"a" * 9000])])}), doc({"n": 1, "rows": packed([text_row([b"b" * 7000])])})
    new("interleaved-fragments", "Two large replies share the connection, frame by frame.") \
        .request(1, op="execute", sql="select a").request(2, op="execute", sql="select b") \
        .step("server", frame(REPLY, 1, first[:4096], MORE), []).step("server", frame(REPLY, 2, second[:4096], MORE), []) \
        .step("server", frame(REPLY, 1, first[4096:8192], MORE), []).step("server", frame(REPLY, 2, second[4096:]), ["REPLY 2"]) \
        .step("server", frame(REPLY, 1, first[8192:]), ["REPLY 1"]).reply(2, {"end": {"rows": 1}}).reply(1, {"end": {"rows": 1}})
    upload = sized(150000)
    new("upload", "An upload of 150,000 bytes: 64 KiB at once, the rest after CREDIT.") \
        .step("client", frame(REQUEST, 1, upload[:65536], MORE), []).send("server", CREDIT, 1, {"bytes": 150000 - 65536}) \
        .step("client", frame(REQUEST, 1, upload[65536:]), ["REQUEST 1"]).reply(1, {"end": {}})
    new("refused-upload", "The server has no memory for an upload: ERROR, and the frame under way is dropped.") \
        .step("client", frame(REQUEST, 1, upload[:32768], MORE), []).error(1, "exhausted", 1203, "42000", retryable=True) \
        .step("client", frame(REQUEST, 1, upload[32768:65536], MORE), []).request(2, op="execute", sql="select 1").reply(2, point)
    new("drain-in-transaction", "GOAWAY: the transaction finishes, all else is refused unexecuted.") \
        .request(1, op="begin", s=1).reply(1, {"end": {"in_tx": True}}) \
        .send("server", GOAWAY, 0, {"drain_ms": 30000, "reason": "restart"}) \
        .request(2, op="execute", s=2, sql="select 1").error(2, "draining", 1053, "08S01", retryable=True, elsewhere=True) \
        .request(3, op="execute", s=1, sql="select 1").reply(3, but(point, end={"rows": 1, "in_tx": True})) \
        .request(4, op="commit", s=1).reply(4, {"end": {}})
    new("lost-transaction", "A deadlock ends the transaction; every statement then fails until it is concluded; a commit fails as well, and concludes it.") \
        .request(1, op="begin", s=1).reply(1, {"end": {"in_tx": True}}) \
        .request(2, op="execute", s=1, sql="update t set a = 1").error(2, "conflict", 1213, "40001", retryable=True, in_tx=True) \
        .request(3, op="execute", s=1, sql="update t set a = 2").error(3, "tx_lost", 61004, "40000", in_tx=True) \
        .request(4, op="commit", s=1).error(4, "tx_lost", 61004, "40000") \
        .request(5, op="rollback", s=1).reply(5, {"end": {}})
    new("unknown-kind", "Kinds from 128 are skipped; kind 42 closes the connection.") \
        .step("server", frame(200, 0, b"later"), []).step("client", frame(128, 5, b""), []) \
        .request(1, op="execute", sql="select 1").reply(1, point) \
        .step("client", frame(42, 0, EMPTY), [], error="unknown_kind", closes=True).error(0, "protocol", 61007, "08S01")
    new("unknown-field", "Unknown fields are skipped both ways; a critical one is refused and the connection stays.") \
        .request(1, op="execute", sql="select 1", zzz=1).reply(1, {**point, "yyy": [1]}) \
        .request(2, op="execute", sql="select 1", Xzzz=1)
    all_[-1].data["steps"][-1].update(messages=[], error="unknown_critical", closes=False)
    all_[-1].error(2, "unsupported", 1235, "42000").request(3, op="execute", sql="select 1").reply(3, point)
    new("unknown-op", "An operation that the server does not know ends that request only.").request(1, op="explode")
    all_[-1].data["steps"][-1].update(messages=[], error="unknown_op", closes=False)
    all_[-1].error(1, "unsupported", 1235, "42000").request(2, op="execute", sql="select 1").reply(2, point)
    new("unknown-code", "A code from a later version: the client goes by errno, SQLSTATE and retryable.") \
        .request(1, op="execute", sql="select 1").error(1, "on_fire", 61999, "HY000", retryable=True, retry_after_ms=10)
    return all_


def write(path, cases):
    lines = ",\n  ".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (HERE / path).write_text(f"[\n  {lines}\n]\n", encoding="utf-8")
    return len(cases)


if __name__ == "__main__":
    total = 0
    for make in (frames, documents, messages, values, rows, fields, scram, codes):
        total += write(f"{make.__name__}.json", make())
    for transcript in transcripts():
        path = HERE / "transcripts" / f"{transcript.data['name']}.json"
        path.write_text(json.dumps(transcript.data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        total += 1
    print(total, "cases")
