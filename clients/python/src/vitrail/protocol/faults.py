"""What can be wrong with bytes, by the names of chapter errors."""

from __future__ import annotations

_TOO_LARGE = frozenset({"message_too_large"})
_INVALID = frozenset({"bad_field", "duplicate_field", "missing_field"})
_UNSUPPORTED = frozenset({"unknown_op", "unknown_critical", "unknown_value_type"})


class Fault(Exception):
    """Bytes or fields that break the protocol; ``name`` is one of chapter errors, "Broken bytes"."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(f"{name}: {detail}" if detail else name)
        self.name = name
        self.detail = detail

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it, or only the request."""
        return self.code == "protocol"

    @property
    def code(self) -> str:
        """The error code that travels for it."""
        if self.name in _TOO_LARGE:
            return "too_large"
        if self.name in _INVALID:
            return "invalid"
        return "unsupported" if self.name in _UNSUPPORTED else "protocol"
