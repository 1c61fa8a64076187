"""The reference is that of the docstrings."""

from __future__ import annotations

import reference

import vitrail
from vitrail import aio


def test_it_is_current() -> None:
    assert reference.OUTPUT.read_text(encoding="utf-8") == reference.reference(), "run: python tools/reference.py"


def test_every_public_name_is_in_it() -> None:
    text = reference.OUTPUT.read_text(encoding="utf-8")
    for name in vitrail.__all__:
        assert f"### vitrail.{name}\n" in text or f"`{name}`" in text, name
    for name in aio.__all__:
        assert f"### vitrail.aio.{name}\n" in text, name
