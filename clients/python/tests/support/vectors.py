"""Reads vectors of the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[4]
PROTOCOL = REPOSITORY / "proto-spec" / "vectors"
TESTDATA = REPOSITORY / "testdata"


def cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a file, of which there are some."""
    read: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    assert read, path
    return read


def name_of(case: dict[str, Any]) -> str:
    """The name of a case, for pytest."""
    return str(case["name"])
