"""Every message of the protocol as a table of fields (chapter messages)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import bson, limits, values
from .faults import Fault
from .schema import (
    Field,
    Schema,
    array,
    binary,
    cut_text,
    integer,
    read_bool,
    read_counter,
    text,
    texts,
    write_counter,
)
from .targets import is_target

Message = dict[str, Any]

U16 = integer(0, 0xFFFF)
U32 = integer(0, 0xFFFF_FFFF)
_NAME = text(limits.NAME_BYTES)
_VARIABLE = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_SQLSTATE = re.compile(r"[A-Za-z0-9]{5}", re.ASCII)

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL", "NONE")
ISOLATIONS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
COMMIT_MODES = ("single", "multi", "twopc")
_NEEDS_SESSION = frozenset({"open", "close", "reset", "begin", "commit", "rollback", "reserve"})
_OF_TABLETS = frozenset({"tablet.schema", "tablet.health", "tablet.consolidations"})
OPERATIONS = _NEEDS_SESSION | _OF_TABLETS | {"execute", "batch", "describe"}


def _flag(name: str) -> Field:
    return Field(name, read_bool, default=False)


def _counter(name: str, default: bool = True, **options: Any) -> Field:
    if default:
        options["default"] = 0
    return Field(name, read_counter, write_counter, **options)


def _document(name: str, schema: Schema, **options: Any) -> Field:
    return Field(name, schema.decode, schema.encode, **options)


def _one_of(*known: str) -> Any:
    return text(check=lambda value: value in known)


def _read_isolation(value: Any) -> str:
    level: str = text()(value).upper()
    if level not in ISOLATIONS:
        raise Fault("bad_field")
    return level


def _read_operation(value: Any) -> str:
    name: str = text()(value)
    if name not in OPERATIONS:
        raise Fault("unknown_op", name[:64])
    return name


def _short_name(name: str) -> bool:
    return 1 <= len(name.encode()) <= limits.NAME_BYTES


_SESSION_TEXTS = texts(limits.NAMES, _short_name, limits.STATE_BYTES)

STATE = Schema(
    Field("target", text(check=is_target)),
    Field("autocommit", read_bool),
    Field("found_rows", read_bool),
    Field("variables", texts(limits.NAMES, lambda name: _VARIABLE.fullmatch(name) is not None), default={}),
    Field("user_variables", _SESSION_TEXTS, default={}),
    Field("prepared", _SESSION_TEXTS, default={}),
    _counter("last_insert_id", default=False),
)

VALUES = Schema(
    Field("user_variables", _SESSION_TEXTS, default={}),
    _counter("last_insert_id", default=False),
    _counter("found_rows", default=False),
    _flag("back"),
    _flag("whole"),
)

BEGIN = Schema(
    Field("isolation", _read_isolation),
    Field("read_only", read_bool),
    _flag("snapshot"),
    Field("mode", _one_of(*COMMIT_MODES)),
    Field("max_ms", U32),
)

_BINDS = Field("binds", values.read_binds, values.write_binds, default={})

ITEM = Schema(Field("sql", text()), _BINDS)


def _check_request(message: Message) -> None:
    operation = message["op"]
    if operation in ("execute", "describe") and "sql" not in message:
        raise Fault("missing_field", "sql")
    if operation == "batch":
        if not message.get("items"):
            raise Fault("missing_field", "items")
        if "sql" not in message["items"][0]:
            raise Fault("missing_field", "sql")
    if operation in _NEEDS_SESSION and "s" not in message:
        raise Fault("missing_field", "s")


REQUEST = Schema(
    Field("op", _read_operation, required=True),
    Field("s", integer(1, limits.ID_END - 1)),
    _flag("chain"),
    Field("credit", integer(0, limits.CREDIT_END - 1), default=limits.DEFAULT_CREDIT),
    Field("deadline_ms", U32),
    Field("caller", _NAME),
    Field("trace", _NAME),
    Field("sql", text()),
    _BINDS,
    Field("!target", text(check=is_target)),
    Field("!max_rows", integer(1, 0xFFFF_FFFF)),
    _flag("!read_only"),
    _counter("fh", default=False),
    Field("warnings", U32, default=0),
    Field("!position", binary(limits.POSITION_BYTES)),
    _document("state", STATE),
    _document("begin", BEGIN),
    Field("items", array(ITEM.decode), lambda items: [ITEM.encode(item) for item in items], default=[]),
    _flag("atomic"),
    Field("share", _one_of("off", "next", "running")),
    _flag("facts"),
    Field("app", _NAME),
    Field("row_key", text(limits.POSITION_BYTES)),
    _document("values", VALUES),
    check=_check_request,
)

_CAPPED = Schema(Field("by", text(), required=True), _counter("limit", default=False, required=True))

_WARNING = Schema(
    Field("level", text(), required=True),
    Field("errno", U16, required=True),
    Field("message", text(), required=True),
)

_RAN = Schema(
    Field("shards", U32, default=0),
    _counter("wait_us"),
    _counter("mysql_us"),
    _flag("shared"),
    Field("slowest", text()),
    _counter("slowest_us"),
)

END = Schema(
    _counter("rows"),
    _counter("affected"),
    _counter("insert_id"),
    Field("warnings", U32, default=0),
    Field("status", U16, default=0),
    _flag("in_tx"),
    _flag("pinned"),
    Field("position", binary(limits.POSITION_BYTES)),
    _counter("matched", default=False),
    Field("info", text()),
    _document("capped", _CAPPED),
    _document("state", STATE),
    Field("texts", array(_WARNING.decode), lambda items: [_WARNING.encode(item) for item in items], default=[]),
    Field("item", U32),
    _document("ran", _RAN),
    _document("values", VALUES),
)


def _check_reply(message: Message) -> None:
    if ("rows" in message) != ("n" in message):
        raise Fault("missing_field", "n" if "rows" in message else "rows")


REPLY = Schema(
    Field("fields", binary()),
    _counter("fh", default=False),
    Field("params", U32),
    Field("json", text()),
    _document("end", END),
    Field("n", U32),
    Field("rows", binary()),
    check=_check_reply,
)


def _check_error(message: Message) -> None:
    if message["executed"] not in ("no", "partial", "unknown"):
        message["executed"] = "unknown"
    if message["executed"] != "no":
        message.pop("retryable", None)


ERROR = Schema(
    Field("errno", U16, required=True),
    Field("sqlstate", text(check=lambda value: _SQLSTATE.fullmatch(value) is not None), required=True),
    Field("code", text(), required=True),
    Field("message", cut_text(limits.MESSAGE_TEXT_BYTES), always=True, default=""),
    Field("executed", text(), always=True, default="unknown"),
    _flag("retryable"),
    _flag("in_tx"),
    Field("retry_after_ms", U32),
    _flag("elsewhere"),
    Field("shard", text()),
    Field("item", U32),
    check=_check_error,
)


def _check_hello(message: Message) -> None:
    if message["max"] < message["min"]:
        raise Fault("bad_field", "max")


_MAX_FRAME = Field("max_frame", integer(limits.LEAST_FRAME, limits.LARGEST_FRAME), required=True)
_MAX_MESSAGE = Field("max_message", integer(limits.LEAST_MESSAGE, limits.LARGEST_MESSAGE), required=True)


def _names(name: str) -> Field:
    return Field(name, array(text(), limits.NAMES), always=True, default=[])


def _label(name: str) -> Field:
    return Field(name, _NAME, always=True, default="")


def _step(name: str, **options: Any) -> Field:
    return Field(name, binary(limits.MECHANISM_BYTES), **options)


CLIENT_HELLO = Schema(
    Field("min", integer(1, 0xFFFF_FFFF), required=True),
    Field("max", integer(1, 0xFFFF_FFFF), required=True),
    _names("caps"),
    _MAX_FRAME,
    _MAX_MESSAGE,
    _label("user"),
    Field("mech", _one_of(*MECHANISMS), required=True),
    _step("initial", always=True, default=b""),
    _label("driver"),
    _label("app"),
    _label("instance"),
    check=_check_hello,
)

SERVER_HELLO = Schema(
    Field("version", integer(1, 0xFFFF_FFFF), required=True),
    _names("caps"),
    _MAX_FRAME,
    _MAX_MESSAGE,
    _counter("connection_id", always=True),
    Field("flavour", text(), always=True, default=""),
    Field("mysql_version", text(), always=True, default=""),
    _names("gates"),
    Field("incarnation", text(), always=True, default=""),
    _counter("max_age_ms", always=True),
    _step("challenge", always=True, default=b""),
    Field("authenticated", read_bool, always=True, default=False),
)

AUTH = Schema(_step("data", required=True), _flag("authenticated"))
CREDIT = Schema(Field("bytes", integer(1, limits.CREDIT_END - 1), required=True))
GOAWAY = Schema(Field("drain_ms", U32, required=True), Field("reason", text(limits.MESSAGE_TEXT_BYTES), always=True, default=""))
EMPTY = Schema()


def decode(schema: Schema, body: bytes) -> Message:
    """The message of a body.

    Raises:
        Fault: it is not one.
    """
    return schema.decode(bson.decode(body))


def encode(schema: Schema, message: Mapping[str, Any]) -> bytes:
    """The body of a message."""
    return bson.encode(schema.encode(message))
