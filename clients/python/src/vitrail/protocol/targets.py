"""Targets: ``keyspace``, ``keyspace:-80``, ``keyspace:-80@replica``, ``@rdonly`` (chapter urls)."""

from __future__ import annotations

TABLET_TYPES = ("primary", "replica", "rdonly")

_MOST_BYTES = 64


def target_problem(target: str) -> str | None:
    """What is wrong with a target; None if nothing is."""
    place, at, tablet_type = target.partition("@")
    if at and tablet_type not in TABLET_TYPES:
        return f"`{tablet_type[:64]}` is not a tablet type: primary, replica or rdonly"
    keyspace, colon, shard = place.partition(":")
    if (keyspace or colon) and not _is_name(keyspace, "_-$"):
        return f"`{keyspace[:64]}` is not a keyspace name: 1 to 64 letters, digits, `_`, `-` or `$`"
    if colon and not _is_name(shard, "_-"):
        return f"`{shard[:64]}` is not a shard name: 1 to 64 letters, digits, `_` or `-`, as in `-80`"
    return None


def is_target(target: str) -> bool:
    """Whether it can be read."""
    return target_problem(target) is None


def canonical(target: str) -> str:
    """A target without the tablet type that goes without saying."""
    return target.removesuffix("@primary")


def _is_name(name: str, marks: str) -> bool:
    return 0 < len(name.encode()) <= _MOST_BYTES and all(letter.isalnum() or letter in marks for letter in name)
