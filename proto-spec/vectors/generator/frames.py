"""Frames."""

import struct

from .bson import EMPTY, doc
from .rows import fields

HELLO, AUTH, REQUEST, REPLY, ERROR, CREDIT, CANCEL, PING, GOAWAY = range(1, 10)

MORE, END = 1, 2

KINDS = {1: "HELLO", 2: "AUTH", 3: "REQUEST", 4: "REPLY", 5: "ERROR", 6: "CREDIT", 7: "CANCEL", 8: "PING", 9: "GOAWAY"}


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
