"""An interrupt may come anywhere, between any two lines of the client: the connection goes on, or is opened again."""

from __future__ import annotations

import contextlib
import random
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest
from support.scripted import ScriptedGate
from support.servers import Gate

import vitrail
from vitrail import aio
from vitrail.protocol import limits

if TYPE_CHECKING:
    from typing_extensions import Self

#: More rows than are sent without being asked for.
_STATEMENT = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_600"
#: Of the lines behind, which are many, some are taken.
_ALL_OF_FIRST = 450
_LATER = 150


class Interrupt:
    """Raises KeyboardInterrupt before the client's line of this number."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.place = ""

    def __enter__(self) -> Self:
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG002
        return self._line if "/src/vitrail/" in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG002
        if event in ("line", "return"):
            if self._left == 0:
                sys.settrace(None)
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}, {event}"
                raise KeyboardInterrupt
            self._left -= 1
        return self._line


def interrupted(gate: Gate, number: int) -> str:
    """Interrupts a first statement and the fetch of its rows there, sees that all is well after that, and says where it was;
    nothing if it has fewer lines."""
    with vitrail.connect(gate.url(), autocommit=True) as connection:
        with contextlib.suppress(KeyboardInterrupt), Interrupt(number) as interrupt:
            connection.cursor().execute(_STATEMENT).fetchall()
        try:
            answer = connection.cursor().execute("SELECT 4", timeout=20).fetchone()
        except vitrail.Error as error:
            raise AssertionError(f"line {number}, {interrupt.place}") from error
        assert answer == (4,), f"line {number}, {interrupt.place}"
    return interrupt.place


def test_an_interrupt_between_any_two_lines(gate: Gate) -> None:
    for number in range(_ALL_OF_FIRST):
        assert interrupted(gate, number), "the statement has more lines"
    seed = random.randrange(1 << 32)
    print("seed:", seed)
    chance = random.Random(seed)
    later = [interrupted(gate, chance.randrange(_ALL_OF_FIRST, 10_000)) for _ in range(_LATER)]
    assert sum(map(bool, later)) > _LATER // 4, "the statement has far fewer lines"


@pytest.mark.parametrize("call", ["receive", "send"])
def test_an_interrupt_right_behind_a_system_call(gate: Gate, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """What was taken from the socket is lost, and so may be what was to be sent: nothing is read or written behind that."""
    with vitrail.connect(gate.url(), autocommit=True) as connection:
        link = connection._link
        assert link is not None
        real = getattr(link._wire, call)

        def interrupted(*arguments: object) -> object:
            found = real(*arguments)
            if call == "receive" and found is None:
                return None
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(link._wire, call, interrupted)
            with pytest.raises(KeyboardInterrupt):
                connection.cursor().execute(_STATEMENT)
        assert link.closed is not None
        assert connection.cursor().execute("SELECT 4", timeout=20).fetchone() == (4,)


def test_a_statement_that_is_too_long_leaves_nothing() -> None:
    """Also the request that opens the session is not sent then, and the next statement sends it."""
    with (
        ScriptedGate(lambda _: {}, hello={"max_message": limits.LEAST_MESSAGE}) as gate,
        vitrail.connect(gate.url(), autocommit=True) as connection,
    ):
        with pytest.raises(vitrail.Error, match="takes at most"):
            connection.cursor().execute("SELECT '" + "x" * limits.LEAST_MESSAGE + "'")
        connection.cursor().execute("SELECT 1")
        assert [request["op"] for request in gate.requests] == ["open", "execute"]


async def test_a_statement_that_is_too_long_leaves_nothing_in_asyncio() -> None:
    """As :func:`test_a_statement_that_is_too_long_leaves_nothing`."""
    with ScriptedGate(lambda _: {}, hello={"max_message": limits.LEAST_MESSAGE}) as gate:
        async with await aio.connect(gate.url()) as connection:
            with pytest.raises(vitrail.Error, match="takes at most"):
                await connection.execute("SELECT '" + "x" * limits.LEAST_MESSAGE + "'")
            await connection.execute("SELECT 1")
            assert [request["op"] for request in gate.requests] == ["open", "execute"]
