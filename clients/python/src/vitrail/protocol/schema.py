"""Fields of messages as tables: what a field must be, whether it must be there, and what it is where it is absent.

A decoded message is a dictionary in canonical form: fields at their default are absent unless they are always written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from .bson import Document
from .faults import Fault

Codec = Callable[[Any], Any]

_ABSENT: Any = object()


@dataclass(frozen=True)
class Field:
    """One field. ``decode`` and ``encode`` turn the value of BSON into that of the message and back; without ``encode`` it is that
    of BSON."""

    name: str
    decode: Codec
    encode: Codec | None = None
    required: bool = False
    always: bool = False
    default: Any = _ABSENT


class Schema:
    """The fields of a document, in canonical order. ``check`` looks at the whole of a decoded one."""

    def __init__(self, *fields: Field, check: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.fields = fields
        self._by_name = {field.name: field for field in fields}
        self._required = [field.name for field in fields if field.required]
        self._defaults = {field.name: field.default for field in fields if field.always and not field.required}
        self._places = {field.name: place for place, field in enumerate(fields)}
        self._check = check

    def decode(self, document: Any) -> dict[str, Any]:
        """The message of a document.

        Raises:
            Fault: a field is wrong, missing, repeated or critical and unknown.
        """
        if not isinstance(document, Document):
            raise Fault("bad_field", "must be a document")
        message: dict[str, Any] = {}
        for name, value in document.items():
            known = self._by_name.get(name)
            if known is None:
                if name.startswith("!"):
                    raise Fault("unknown_critical", name[:64])
                continue
            try:
                read = known.decode(value)
            except Fault as fault:
                raise fault if fault.detail else Fault(fault.name, name) from None
            if known.always or known.default is _ABSENT or read != known.default:
                message[name] = read
        if document.repeated:
            self._refuse_repeated(document.repeated)
        for name in self._required:
            if name not in message:
                raise Fault("missing_field", name)
        if self._defaults:
            message = {**self._defaults, **message}
        if self._check is not None:
            self._check(message)
        return message

    def _refuse_repeated(self, repeated: AbstractSet[str]) -> None:
        for known in self.fields:
            if known.name in repeated:
                raise Fault("duplicate_field", known.name)

    def encode(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The document of a message, in canonical form.

        Raises:
            KeyError: a field that is required is absent, or one is not known.
        """
        if self._defaults:
            message = {**self._defaults, **message}
        for name in self._required:
            if name not in message:
                raise KeyError(name)
        document: dict[str, Any] = {}
        for name in sorted(message, key=self._places.__getitem__):
            known, value = self._by_name[name], message[name]
            if known.always or known.default is _ABSENT or value != known.default:
                document[name] = value if known.encode is None else known.encode(value)
        return document


def integer(least: int, most: int) -> Codec:
    """An integer in a range; never a boolean or a double."""

    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Fault("bad_field")
        return value

    return read


def read_counter(value: Any) -> int:
    """A u64 from the bits of an integer."""
    if type(value) is not int:
        raise Fault("bad_field")
    return value & 0xFFFF_FFFF_FFFF_FFFF


def write_counter(value: int) -> int:
    """The integer whose bits are those of a u64."""
    return value if value < 1 << 63 else value - (1 << 64)


def read_bool(value: Any) -> bool:
    """A boolean, not a number."""
    if value is not True and value is not False:
        raise Fault("bad_field")
    return bool(value)


def text(most: int | None = None, check: Callable[[str], bool] | None = None) -> Codec:
    """Text of at most ``most`` bytes that passes ``check``."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or (most is not None and len(value.encode()) > most):
            raise Fault("bad_field")
        if check is not None and not check(value):
            raise Fault("bad_field")
        return value

    return read


def cut_text(most: int) -> Codec:
    """Text that is cut at a character where it is longer than ``most`` bytes."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Fault("bad_field")
        return value.encode()[:most].decode(errors="ignore")

    return read


def binary(most: int | None = None) -> Codec:
    """Bytes; a long value stays a view."""

    def read(value: Any) -> bytes | memoryview:
        if not isinstance(value, (bytes, memoryview)) or (most is not None and len(value) > most):
            raise Fault("bad_field")
        return value

    return read


def array(item: Codec, most: int | None = None) -> Codec:
    """A list whose items pass ``item``."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list) or (most is not None and len(value) > most):
            raise Fault("bad_field")
        return [item(entry) for entry in value]

    return read


def texts(most: int, name_fits: Callable[[str], bool], most_bytes: int | None = None) -> Codec:
    """A document of texts: at most so many, whose names fit."""

    def read(value: Any) -> dict[str, str]:
        if not isinstance(value, Document):
            raise Fault("bad_field")
        if not all(name_fits(name) and isinstance(entry, str) for name, entry in value.items()):
            raise Fault("bad_field")
        if value.repeated:
            raise Fault("duplicate_field", min(value.repeated)[:64])
        size = sum(len(name.encode()) + len(entry.encode()) for name, entry in value.items())
        if len(value) > most or (most_bytes is not None and size > most_bytes):
            raise Fault("bad_field")
        return dict(value)

    return read
