"""What a conversation with a gate is begun with, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import errors


@dataclass(frozen=True)
class Identity:
    """Who connects, and how that is proved. ``binding``: hash of the server's certificate, where there is TLS."""

    user: str = ""
    password: str | None = None
    binding: bytes | None = None
    certificate: bool = False
    driver: str = ""
    app: str = ""
    instance: str = ""


@dataclass(frozen=True)
class Challenged:
    """The server asks for the proof: call :meth:`Conversation.prove`, which may compute for a while."""

    challenge: bytes


@dataclass(frozen=True)
class Ready:
    """Authentication has ended; requests may be sent."""

    hello: dict[str, Any]


class Reply(NamedTuple):
    """A part of an answer. ``size`` is what it is worth in credit; ``last``: nothing of this request follows."""

    id: int
    message: dict[str, Any]
    size: int
    last: bool


class Failed(NamedTuple):
    """A request has ended with an error."""

    id: int
    error: errors.Error


@dataclass(frozen=True)
class Draining:
    """The server will go; transactions may go on for so many milliseconds."""

    drain_ms: int
    reason: str


@dataclass(frozen=True)
class Pong:
    """The answer to a ping."""


@dataclass(frozen=True)
class Closed:
    """The server ended the connection, with its reason."""

    error: errors.Error


Event = Challenged | Ready | Reply | Failed | Draining | Pong | Closed


class ProtocolFailure(Exception):
    """The server broke the protocol, or did not prove who it is: close the connection."""

    def __init__(self, error: errors.Error) -> None:
        super().__init__(str(error))
        self.error = error
