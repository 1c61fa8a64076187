"""BSON documents, written element by element, so that broken ones can be written, too."""

import struct

from .rows import fields


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
