"""What a client sends again by itself: only what the server said was not executed, outside a transaction, before a row was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.scripted import ScriptedGate

import vitrail
from vitrail import aio

Answer = dict[str, Any]


def error(code: str, **fields: Any) -> Answer:
    known = vitrail.errors.CODES[code]
    return {
        "errno": known.errno,
        "sqlstate": known.sqlstate,
        "code": code,
        "executed": "no",
        "retryable": known.retryable,
        **fields,
    }


def blocking(url: str, statements: list[str], **options: Any) -> None:
    connection = vitrail.connect(url, autocommit=True, **options)
    for statement in statements:
        connection.cursor().execute(statement)
    connection.close()


def asynchronous(url: str, statements: list[str], **options: Any) -> None:
    async def run() -> None:
        async with await aio.connect(url, **options) as connection:
            for statement in statements:
                await connection.execute(statement)

    asyncio.run(run())


CLIENTS: list[Callable[..., None]] = [blocking, asynchronous]


class Sequence:
    """Answers one after the other; the last one for ever."""

    def __init__(self, *answers: Answer | None) -> None:
        self._answers = list(answers)

    def __call__(self, request: Answer) -> Answer | None:
        assert request
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("code", ["unavailable", "draining", "throttled", "exhausted", "conflict", "session_lost"])
def test_repeated_when_not_executed(client: Callable[..., None], code: str) -> None:
    with ScriptedGate(Sequence(error(code), {"affected": 1})) as gate:
        client(gate.url(), ["INSERT"])
        assert gate.statements == ["INSERT", "INSERT"]
        moves = code in ("draining", "session_lost")
        assert [request["op"] for request in gate.requests].count("open") == (2 if moves else 1)


@pytest.mark.parametrize("client", CLIENTS)
def test_given_up_after_some_attempts(client: Callable[..., None]) -> None:
    with ScriptedGate(Sequence(error("unavailable"))) as gate:
        with pytest.raises(vitrail.OperationalError):
            client(gate.url(), ["INSERT"], retries=2)
        assert gate.statements == ["INSERT"] * 3


NEVER: list[Answer | None] = [
    error("unavailable", executed="unknown", retryable=False),
    error("unavailable", executed="partial", retryable=True),
    error("outcome_unknown", executed="unknown"),
    error("conflict", retryable=False),
    error("constraint"),
    None,
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("answer", NEVER, ids=lambda answer: "closed" if answer is None else str(answer["code"]))
def test_never_repeated(client: Callable[..., None], answer: Answer | None) -> None:
    with ScriptedGate(Sequence(answer)) as gate:
        with pytest.raises(vitrail.DatabaseError):
            client(gate.url(), ["INSERT"])
        assert gate.statements == ["INSERT"]


@pytest.mark.parametrize("client", CLIENTS)
def test_never_repeated_in_a_transaction(client: Callable[..., None]) -> None:
    with ScriptedGate(Sequence({"in_tx": True}, error("conflict", in_tx=True))) as gate:
        with pytest.raises(vitrail.OperationalError) as caught:
            client(gate.url(), ["BEGIN", "UPDATE"])
        assert caught.value.retryable
        assert caught.value.in_transaction
        assert gate.statements[:2] == ["BEGIN", "UPDATE"]
        assert "UPDATE" not in gate.statements[2:]


@pytest.mark.parametrize("client", CLIENTS)
def test_waits_as_long_as_the_server_asks(client: Callable[..., None]) -> None:
    with ScriptedGate(Sequence(error("throttled", retry_after_ms=300), {})) as gate:
        started = time.monotonic()
        client(gate.url(), ["INSERT"])
        assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("client", CLIENTS)
def test_does_not_wait_beyond_the_deadline(client: Callable[..., None]) -> None:
    with ScriptedGate(Sequence(error("throttled", retry_after_ms=60_000), {})) as gate:
        started = time.monotonic()
        with pytest.raises(vitrail.OperationalError) as caught:
            client(gate.url(), ["INSERT"], query_timeout=0.5)
        assert (caught.value.code, caught.value.retry_after) == ("throttled", 60.0)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("client", CLIENTS)
def test_a_session_is_opened_elsewhere_with_all_that_it_had(client: Callable[..., None]) -> None:
    state = {
        "target": "shop",
        "variables": {"sql_mode": "'ANSI'"},
        "user_variables": {"a": "7", "b": "NULL"},
        "prepared": {"p": "select 1", "q": ""},
        "last_insert_id": 9,
    }
    with ScriptedGate(Sequence({"state": state}, error("draining"), {})) as gate:
        client(gate.url(), ["SET", "SELECT"])
        opened = [request["state"] for request in gate.requests if request["op"] == "open"]
        assert len(opened) == 2
        assert opened[1]["target"] == "shop"
        assert opened[1]["variables"] == {"sql_mode": "'ANSI'"}
        assert opened[1]["user_variables"] == {"a": "7"}
        assert opened[1]["prepared"] == {"p": "select 1"}
        assert opened[1]["last_insert_id"] == 9
        assert gate.statements == ["SET", "SELECT", "SELECT"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_code_that_nobody_knows(client: Callable[..., None]) -> None:
    """It is understood by its other fields."""
    answer = {"errno": 61999, "sqlstate": "22000", "code": "tomorrow", "executed": "no", "retryable": False, "message": "new"}
    with ScriptedGate(Sequence(answer)) as gate:
        with pytest.raises(vitrail.DataError) as caught:
            client(gate.url(), ["INSERT"])
        assert (caught.value.code, caught.value.errno, caught.value.message) == ("tomorrow", 61999, "new")


@pytest.mark.parametrize("client", CLIENTS)
def test_fields_of_tomorrow_are_skipped(client: Callable[..., None]) -> None:
    with ScriptedGate(Sequence({}), {"caps": [], "gates": ["nonsense", "a:0", ":1", "[::1]:15300"]}) as gate:
        client(gate.url(), ["SELECT"])
        assert gate.statements == ["SELECT"]


@pytest.mark.parametrize("client", CLIENTS)
def test_traces_go_along(client: Callable[..., None]) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with ScriptedGate(Sequence({})) as gate:
        client(gate.url(), ["SELECT"], traceparent=lambda: parent)
        assert [request.get("trace") for request in gate.requests if request["op"] == "execute"] == [parent]


@pytest.mark.parametrize("client", CLIENTS)
def test_variables_and_counting_are_part_of_the_session(client: Callable[..., None]) -> None:
    with ScriptedGate(Sequence({})) as gate:
        client(gate.url(), ["SELECT"], found_rows=True, variables={"sql_mode": "'ANSI'"})
        [state] = [request["state"] for request in gate.requests if request["op"] == "open"]
        assert state["found_rows"] is True
        assert state["variables"] == {"sql_mode": "'ANSI'"}
        assert state["target"] == "main"
