"""Rows of the asyncio module: values by index and by name."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, overload

Row = tuple[Any, ...]


class Record:
    """A row. ``record[0]`` and ``record["name"]`` are values; iterating gives the values; two are equal if their values are.

    Of columns with the same name, the last one has it.
    """

    __slots__ = ("_index", "_row")

    def __init__(self, index: Mapping[str, int], row: Row) -> None:
        self._index = index
        self._row = row

    @overload
    def __getitem__(self, key: slice) -> Row: ...

    @overload
    def __getitem__(self, key: int | str) -> Any: ...

    def __getitem__(self, key: int | str | slice) -> Any:
        if isinstance(key, str):
            return self._row[self._index[key]]
        return self._row[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a column; ``default`` if there is no such column."""
        place = self._index.get(key)
        return default if place is None else self._row[place]

    def keys(self) -> KeysView[str]:
        """Names of the columns."""
        return self._index.keys()

    def values(self) -> ValuesView[Any]:
        """The values, as of a dictionary."""
        return dict(self.items()).values()

    def items(self) -> ItemsView[str, Any]:
        """Names and values."""
        return {name: self._row[place] for name, place in self._index.items()}.items()

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def __iter__(self) -> Iterator[Any]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return self._row == other._row
        return self._row == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._row)

    def __repr__(self) -> str:
        fields = " ".join(f"{name}={self._row[place]!r}" for name, place in self._index.items())
        return f"<Record {fields}>"
