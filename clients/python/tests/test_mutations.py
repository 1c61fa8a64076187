"""Seeded damage to messages and whole conversations: each ends in a typed error or a message, soon and in bounded memory."""

from __future__ import annotations

import random
import time
import tracemalloc

from support.vectors import PROTOCOL, cases

from vitrail import errors
from vitrail.protocol import bson, frames, messages, rows
from vitrail.protocol import conversation as talk
from vitrail.protocol.events import Identity, ProtocolFailure
from vitrail.protocol.faults import Fault
from vitrail.protocol.frames import Kind

_ROUNDS = 20_000
_MOST_BYTES = 8 << 20


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut, doubled or moved."""
    mutable = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(mutable) + 1)
        kind = chance.randrange(5)
        if kind == 0 and mutable:
            mutable[at % len(mutable)] = chance.choice([0, 1, 0x7F, 0x80, 0xFB, 0xFF, chance.randrange(256)])
        elif kind == 1:
            del mutable[at : at + chance.randint(1, 8)]
        elif kind == 2:
            mutable[at:at] = mutable[at : at + chance.randint(1, 32)]
        elif kind == 3:
            mutable[at : at + 4] = chance.randrange(1 << 32).to_bytes(4, "little")
        else:
            mutable[at:at] = bytes([chance.randrange(256)])
    return bytes(mutable)


def seeded() -> random.Random:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def test_documents_messages_and_rows() -> None:
    chance = seeded()
    bodies = [bytes.fromhex(case["body"]) for case in cases(PROTOCOL / "messages.json") if len(case["body"]) < 4_000]
    packed = [bytes.fromhex(case["packed"]) for case in cases(PROTOCOL / "rows.json") if len(case["packed"]) < 4_000]
    fields = [bytes.fromhex(case["packed"]) for case in cases(PROTOCOL / "fields.json")]
    schemas = [messages.REPLY, messages.ERROR, messages.SERVER_HELLO, messages.AUTH, messages.GOAWAY, messages.REQUEST]
    tracemalloc.start()
    found = 0
    for _ in range(_ROUNDS):
        try:
            document = bson.decode(damaged(chance, chance.choice(bodies)))
            chance.choice(schemas).decode(document)
            found += 1
        except Fault:
            pass
        try:
            rows.cells(damaged(chance, chance.choice(packed)), chance.randrange(4), chance.randrange(4))
            rows.columns(damaged(chance, chance.choice(fields)))
        except Fault:
            pass
    assert found > 0
    assert tracemalloc.get_traced_memory()[1] < _MOST_BYTES
    tracemalloc.stop()


def test_conversations() -> None:
    """A server that says anything: the client fails by an error of its own, or goes on."""
    chance = seeded()
    hello = {"version": 1, "max_frame": 262_144, "max_message": 1 << 27, "authenticated": True}
    greeting = frames.frame(Kind.HELLO, 0, 0, messages.encode(messages.SERVER_HELLO, hello))
    reply = frames.frame(Kind.REPLY, frames.END, 1, messages.encode(messages.REPLY, {"end": {"affected": 1}, "n": 0, "rows": b""}))
    error = {"errno": 1, "sqlstate": "HY000", "code": "data", "message": "m", "executed": "no"}
    failure = frames.frame(Kind.ERROR, frames.END, 1, messages.encode(messages.ERROR, error))
    credit = frames.frame(Kind.CREDIT, 0, 1, messages.encode(messages.CREDIT, {"bytes": 100_000}))
    goaway = frames.frame(Kind.GOAWAY, 0, 0, messages.encode(messages.GOAWAY, {"drain_ms": 5}))
    started = time.monotonic()
    for _ in range(_ROUNDS // 4):
        client = talk.Conversation(Identity("ann"))
        try:
            list(client.receive(greeting if chance.random() < 0.8 else damaged(chance, greeting)))
            if client.ready:
                client.request({"op": "execute", "sql": "x" * chance.choice([10, 100_000])})
            story = b"".join(chance.choice([reply, failure, credit, goaway]) for _ in range(3))
            list(client.receive(damaged(chance, story)))
        except ProtocolFailure as caught:
            assert isinstance(caught.error, errors.Error)
        assert client.buffered < 1 << 20
    assert time.monotonic() - started < 60


def test_announced_lengths_take_no_memory() -> None:
    """A message that announces 128 MiB and sends little holds little."""
    client = talk.Conversation(Identity("ann"))
    hello = {"version": 1, "max_frame": 262_144, "max_message": 1 << 27, "authenticated": True}
    list(client.receive(frames.frame(Kind.HELLO, 0, 0, messages.encode(messages.SERVER_HELLO, hello))))
    [id] = client.request({"op": "execute", "sql": "x"})
    tracemalloc.start()
    body = (1 << 27).to_bytes(4, "little") + bytes(8_000)
    list(client.receive(frames.frame(Kind.REPLY, frames.MORE, id, body)))
    assert client.buffered < 10_000
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
