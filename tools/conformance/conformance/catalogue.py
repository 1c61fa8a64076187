"""Reads the behaviours that ``proto-spec/behaviours.md`` names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ROW = re.compile(r"^\| `([a-z-]+)` \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A behaviour: its name, and what a client does."""

    name: str
    text: str


def catalogue(page: Path) -> list[Entry]:
    """The behaviours of a page, in order. Each is named once."""
    entries = [Entry(*match) for match in _ROW.findall(page.read_text(encoding="utf-8"))]
    assert entries, page
    assert len({entry.name for entry in entries}) == len(entries), "a behaviour is named twice"
    return entries
