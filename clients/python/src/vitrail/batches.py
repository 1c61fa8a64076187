"""One statement with many sets of parameters, as requests that hold many each. Without I/O; shared by both clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .adapt import adapt_all
from .placeholders import Parameters, rewrite
from .protocol.values import Typed

#: The items of one request, with the index of its first set of parameters.
Batch = tuple[int, list[dict[str, Any]]]

_MOST_ITEMS = 1_000
_MOST_BYTES = 1 << 20
_VALUE_BYTES = 32


def batches(operation: str, parameters: Iterable[Parameters]) -> Iterator[Batch]:
    """The items of each request, with the index of its first set of parameters."""
    items: list[dict[str, Any]] = []
    offset = size = 0
    previous = None
    for row in parameters:
        sql, binds = rewrite(operation, row)
        adapted = adapt_all(binds)
        item: dict[str, Any] = {"binds": adapted}
        # An item without a statement repeats the one before.
        if sql != previous or not items:
            item["sql"] = sql
            previous = sql
        items.append(item)
        size += _size(adapted)
        if len(items) == _MOST_ITEMS or size >= _MOST_BYTES:
            yield offset, items
            offset += len(items)
            items, size = [], 0
    if items:
        yield offset, items


def _size(binds: Mapping[str, Any]) -> int:
    """About how many bytes they take."""
    total = 0
    for value in binds.values():
        content = value.v if isinstance(value, Typed) else value
        total += _VALUE_BYTES + (len(content) if isinstance(content, (str, bytes)) else 0)
    return total
