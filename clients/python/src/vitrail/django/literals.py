"""Values as SQL literals, for DDL, which takes no binds."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

from .. import errors

_ESCAPES = {"\\": "\\\\", "'": "''", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"}


def literal(value: Any, *, backslashes: bool = True) -> str:
    """The literal of a value. ``backslashes``: whether they escape, that is, ``sql_mode`` has no NO_BACKSLASH_ESCAPES.

    Raises:
        DataError: a value has none.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, decimal.Decimal)):
        return f"{value:f}" if isinstance(value, decimal.Decimal) else str(int(value))
    if isinstance(value, float):
        return repr(value) if "e" in repr(value) else f"{value!r}e0"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"X'{bytes(value).hex()}'"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return f"'{value}'"
    if isinstance(value, (str, uuid.UUID)):
        return _text(str(value), backslashes)
    raise errors.DataError(f"a value of type {type(value).__name__} has no literal", code="data")


def _text(text: str, backslashes: bool) -> str:
    if backslashes:
        return "'" + "".join(_ESCAPES.get(letter, letter) for letter in text) + "'"
    return "'" + text.replace("'", "''") + "'"
