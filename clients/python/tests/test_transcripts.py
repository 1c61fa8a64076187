"""The transcripts of ``proto-spec/vectors``: as frames for both sides, and as conversations of this client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.scram_server import Refused, ServerExchange, Stored
from support.vectors import PROTOCOL

from vitrail import errors
from vitrail.protocol import conversation as talk
from vitrail.protocol import frames, limits, messages
from vitrail.protocol.events import Challenged, Closed, Draining, Event, Failed, Identity, Pong, ProtocolFailure, Ready, Reply
from vitrail.protocol.faults import Fault
from vitrail.protocol.frames import Kind, Side

TRANSCRIPTS = sorted((PROTOCOL / "transcripts").glob("*.json"))

TO_SERVER = {
    Kind.HELLO: messages.CLIENT_HELLO,
    Kind.AUTH: messages.AUTH,
    Kind.REQUEST: messages.REQUEST,
    Kind.CREDIT: messages.CREDIT,
    Kind.CANCEL: messages.EMPTY,
    Kind.PING: messages.EMPTY,
}
TO_CLIENT = {
    Kind.HELLO: messages.SERVER_HELLO,
    Kind.AUTH: messages.AUTH,
    Kind.REPLY: messages.REPLY,
    Kind.ERROR: messages.ERROR,
    Kind.CREDIT: messages.CREDIT,
    Kind.PING: messages.EMPTY,
    Kind.GOAWAY: messages.GOAWAY,
}


def transcript(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert read["steps"]
    return read


class Ends:
    """Both ends of a transcript, which remember what each may receive."""

    def __init__(self, authenticated: bool) -> None:
        self.readers = {"client": frames.Reassembler(Side.SERVER), "server": frames.Reassembler(Side.CLIENT)}
        for reader in self.readers.values():
            reader.authenticated = authenticated

    def step(self, side: str, data: bytes) -> tuple[list[frames.Message], str | None]:
        """The messages that come out at the other side, and the fault that ends them."""
        found: list[frames.Message] = []
        schemas = TO_SERVER if side == "client" else TO_CLIENT
        try:
            for event in self.readers[side].feed(data):
                if isinstance(event, frames.Message):
                    message = messages.decode(schemas[event.kind], event.body)
                    found.append(event)
                    self._know(side, event, message)
        except Fault as fault:
            return found, fault.name
        return found, None

    def _know(self, side: str, event: frames.Message, message: dict[str, Any]) -> None:
        if side == "server" and event.kind is Kind.CREDIT:
            self.readers["client"].grant(event.id)
        if side == "server" and event.kind is Kind.ERROR:
            self.readers["client"].give_up(event.id)
        if side == "server" and event.kind in (Kind.HELLO, Kind.AUTH) and message.get("authenticated"):
            for reader in self.readers.values():
                reader.authenticated = True


@pytest.mark.parametrize("bytewise", [False, True], ids=["chunks", "bytes"])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_frames_of_both_sides(path: Path, bytewise: bool) -> None:
    story = transcript(path)
    ends = Ends(story["authenticated"])
    for step in story["steps"]:
        data = bytes.fromhex(step["hex"])
        pieces = [data[at : at + 1] for at in range(len(data))] if bytewise else [data]
        found: list[frames.Message] = []
        fault = None
        for piece in pieces:
            more, fault = ends.step(step["side"], piece)
            found += more
            if fault is not None:
                break
        assert fault == step.get("error")
        assert [f"{message.kind.name} {message.id}" for message in found] == step.get("messages", [])


def greeting(**fields: Any) -> bytes:
    hello = {"version": 1, "max_frame": limits.DEFAULT_FRAME, "max_message": limits.DEFAULT_MESSAGE, "authenticated": True}
    return frames.frame(Kind.HELLO, 0, 0, messages.encode(messages.SERVER_HELLO, {**hello, **fields}))


def parts(data: bytes) -> Iterator[tuple[Kind, int, bytes]]:
    """The frames of some bytes."""
    while data:
        length, kind, _, _, id = frames.HEADER.unpack_from(data)
        if kind < 128 and kind in Kind._value2member_map_:
            yield Kind(kind), id, data[16 : 16 + length]
        data = data[16 + length :]


class Play:
    """A transcript with this client in the place of its client. The server's side is that of the transcript, but for what
    depends on the client's nonce."""

    def __init__(self, story: dict[str, Any]) -> None:
        self.story = story
        self.sent = frames.Reassembler(Side.SERVER)
        self.out: list[tuple[Kind, int]] = []
        self.events: list[Event] = []
        self.exchange: ServerExchange | None = None
        wrong = any(b"unauthenticated" in bytes.fromhex(step["hex"]) for step in story["steps"])
        opening = next((body for step in story["steps"] for kind, _, body in parts(bytes.fromhex(step["hex"]))), b"")
        password = None if story["authenticated"] or b"SCRAM" not in opening else "pen" if wrong else "pencil"
        self.client = talk.Conversation(Identity("ann", password))
        if story["authenticated"]:
            self.client.take_output()
            self.sent.authenticated = True
            assert [type(event) for event in self.client.receive(greeting())] == [Ready]
        self.bodies = self._request_bodies()

    def _request_bodies(self) -> dict[int, bytes]:
        """What each request of the transcript is in whole; the announced length of one that stays unfinished is cut."""
        bodies: dict[int, bytes] = {}
        for step in self.story["steps"]:
            if step["side"] == "client" and "error" not in step:
                for kind, id, body in parts(bytes.fromhex(step["hex"])):
                    if kind is Kind.REQUEST:
                        bodies[id] = bodies.get(id, b"") + body
        return bodies

    def run(self) -> None:
        for step in self.story["steps"]:
            for kind, id, body in parts(bytes.fromhex(step["hex"])):
                if step["side"] == "client":
                    self.client_does(step, kind, id, body)
                elif kind in (Kind.HELLO, Kind.AUTH) and not self.story["authenticated"]:
                    self.server_proves(kind, body)
            if step["side"] == "server" and step.get("messages", [""])[:1] not in (["HELLO 0"], ["AUTH 0"]):
                self.server_says(step)

    def client_does(self, step: dict[str, Any], kind: Kind, id: int, body: bytes) -> None:
        if kind is Kind.REQUEST:
            if self.client.is_active(id) or id < self.client._next_id:
                return
            whole = self.bodies.get(id, b"")
            if "error" in step:
                request = {"op": "execute", "sql": "select 1"}
            elif len(whole) == int.from_bytes(whole[:4], "little"):
                request = messages.decode(messages.REQUEST, whole)
            else:
                request = {"op": "execute", "sql": "x" * 200_000}
            assert self.client.request(request) == [id]
        elif kind is Kind.CANCEL:
            self.client.cancel(id)
        elif kind is Kind.PING:
            self.client.ping()
        elif kind is Kind.CREDIT and not any(isinstance(event, Reply) for event in self.events):
            size = messages.decode(messages.CREDIT, body)["bytes"]
            if self.story["name"] == "zero-credit":
                self.client.grant(id, size)
        self.collect()

    def collect(self) -> None:
        """The client's frames are well formed, and a server takes them."""
        for event in self.sent.feed(self.client.take_output()):
            if isinstance(event, frames.Message):
                messages.decode(TO_SERVER[event.kind], event.body)
                self.out.append((event.kind, event.id))
                if event.kind is Kind.HELLO and self.client.hello is None:
                    self.hello = messages.decode(messages.CLIENT_HELLO, event.body)
                if event.kind is Kind.AUTH:
                    self.proof = messages.decode(messages.AUTH, event.body)["data"]

    def server_proves(self, kind: Kind, body: bytes) -> None:
        self.collect()
        if kind is Kind.HELLO:
            written = messages.decode(messages.SERVER_HELLO, body)
            if not written["authenticated"]:
                stored = Stored.derive("pencil")
                self.exchange = ServerExchange(bytes(self.hello["initial"]), "ann", stored, "server-nonce")
                written["challenge"] = self.exchange.first
            else:
                self.sent.authenticated = True
            events = list(self.client.receive(frames.frame(kind, 0, 0, messages.encode(messages.SERVER_HELLO, written))))
            if isinstance(events[0], Challenged):
                self.client.prove(events[0].challenge)
                self.collect()
            else:
                assert isinstance(events[0], Ready)
            return
        assert self.exchange is not None
        auth = {"data": self.exchange.finish(bytes(self.proof)), "authenticated": True}
        events = list(self.client.receive(frames.frame(kind, 0, 0, messages.encode(messages.AUTH, auth))))
        assert [type(event) for event in events] == [Ready]
        self.sent.authenticated = True

    def server_says(self, step: dict[str, Any]) -> None:
        self.collect()
        data = bytes.fromhex(step["hex"])
        expected = []
        for kind, id, body in parts(data):
            if kind is Kind.CREDIT:
                self.sent.grant(id)
            if kind is Kind.ERROR:
                self.sent.give_up(id)
                fields = messages.decode(messages.ERROR, body)
                expected.append((id, fields["code"], fields["errno"], fields["message"]))
                if fields["code"] == "unauthenticated" and self.exchange is not None:
                    with pytest.raises(Refused):
                        self.exchange.finish(bytes(self.proof))
        before = len(self.events)
        self.events += self.client.receive(data)
        failures = []
        for event in self.events[before:]:
            if isinstance(event, Reply):
                self.client.consume(event.id, event.size)
            if isinstance(event, Failed):
                failures.append((event.id, event.error.code, event.error.errno, event.error.message))
            if isinstance(event, Closed):
                failures.append((0, event.error.code, event.error.errno, event.error.message))
        assert failures == expected
        self.collect()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_conversations(path: Path) -> None:
    story = transcript(path)
    play = Play(story)
    play.run()
    assert play.client.in_flight == 0
    replies = [
        (Kind[word], int(id))
        for step in story["steps"]
        if step["side"] == "server"
        for word, id in (message.split() for message in step.get("messages", []))
        if word in ("REPLY", "GOAWAY", "PING")
    ]
    kinds = {Reply: Kind.REPLY, Draining: Kind.GOAWAY, Pong: Kind.PING}
    found = [(kinds[type(event)], getattr(event, "id", 0)) for event in play.events if type(event) in kinds]
    assert found == replies
    asked = [
        (Kind[word], int(id))
        for step in story["steps"]
        if step["side"] == "client" and "error" not in step
        for word, id in (message.split() for message in step.get("messages", []))
    ]
    # A request that has ended needs no CANCEL: that of the transcript is late.
    late = [(Kind.CANCEL, 1)] if story["name"] == "late-cancel" else []
    substitutes = [sent for sent in play.out if sent not in asked]
    assert [sent for sent in play.out if sent in asked] == [ask for ask in asked if ask not in late]
    assert all(kind is Kind.REQUEST for kind, _ in substitutes)


def test_an_answer_to_nothing_is_refused() -> None:
    client = talk.Conversation(Identity("ann"))
    list(client.receive(greeting()))
    body = messages.encode(messages.REPLY, {"end": {}})
    with pytest.raises(ProtocolFailure) as caught:
        list(client.receive(frames.frame(Kind.REPLY, frames.END, 7, body)))
    assert (caught.value.error.code, caught.value.error.executed) == ("protocol", "unknown")


def test_a_server_must_prove_that_it_knows_the_password() -> None:
    client = talk.Conversation(Identity("ann", "pencil"))
    with pytest.raises(ProtocolFailure, match="impostor") as caught:
        list(client.receive(greeting()))
    assert isinstance(caught.value.error, errors.OperationalError)


def test_a_request_above_the_servers_limit_is_not_sent() -> None:
    client = talk.Conversation(Identity("ann"))
    list(client.receive(greeting(max_message=16_384)))
    client.take_output()
    with pytest.raises(errors.OperationalError) as caught:
        client.request({"op": "execute", "sql": "x" * 20_000})
    assert (caught.value.code, caught.value.executed) == ("too_large", "no")
    assert client.take_output() == b""


@pytest.mark.parametrize("max_frame", [16_384, 40_000, 65_000, 65_536, 262_144])
def test_every_upload_is_cut_as_the_server_asks(max_frame: int) -> None:
    """Free part, CREDIT, rest; no fragment with MORE is below 4,096 bytes."""
    for length in (10, 16_384, 60_000, 65_400, 65_536, 65_540, 69_000, 300_000):
        client = talk.Conversation(Identity("ann"))
        list(client.receive(greeting(max_frame=max_frame)))
        client.take_output()
        server = frames.Reassembler(Side.SERVER, max_frame)
        server.authenticated = True
        [id] = client.request({"op": "execute", "sql": "x" * length})
        events = list(server.feed(client.take_output()))
        if isinstance(events[-1], frames.Partial):
            assert not client.is_handed_over(id)
            rest = events[-1].announced - events[-1].received
            server.grant(id)
            body = messages.encode(messages.CREDIT, {"bytes": rest})
            assert list(client.receive(frames.frame(Kind.CREDIT, 0, id, body))) == []
            events = list(server.feed(client.take_output()))
        assert client.is_handed_over(id)
        assert isinstance(events[-1], frames.Message)
        assert messages.decode(messages.REQUEST, events[-1].body)["sql"] == "x" * length
