"""Placeholders of PEP 249's ``pyformat`` style, rewritten to the protocol's named binds.

``%s`` and ``%(name)s`` become ``:v1`` and ``:name``; with a list or tuple as value, ``::v1`` and ``::name``. ``%%`` is a percent
sign, wherever it stands. Strings, comments and quoted names are left alone otherwise. ``testdata/placeholders`` has the
vectors.
"""

from __future__ import annotations

import datetime
import decimal
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import ProgrammingError

Parameters = Sequence[Any] | Mapping[str, Any]

_TOKEN = re.compile(
    r"""
    (?P<string>'(?:[^'\\]|\\.|'')*'?|"(?:[^"\\]|\\.|"")*"?)
  | (?P<name>`(?:[^`]|``)*`?)
  | (?P<comment>/\*.*?(?:\*/|\Z)|--(?=[\x00-\x20]|\Z)[^\n]*|\#[^\n]*)
  | (?P<placeholder>%(?:\((?P<key>[^)]*)\)s|s)(?P<glued>(?=\w))?)
  | (?P<percent>%%?)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBERS = (int, float, bool, decimal.Decimal)
_TIMES = (datetime.date, datetime.datetime, datetime.time, datetime.timedelta)
_PLAIN = frozenset((type(None), str, bytes, uuid.UUID, *_NUMBERS, *_TIMES))
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}", re.ASCII)


class Region(NamedTuple):
    """A part of a statement in which no placeholder is looked for. ``start`` and ``end`` count characters."""

    kind: str
    start: int
    end: int


def regions(sql: str) -> Iterator[Region]:
    """The strings, quoted names and comments of a statement."""
    for match in tokens(sql):
        if match.lastgroup in ("string", "name", "comment"):
            yield Region(match.lastgroup, match.start(), match.end())


def tokens(sql: str) -> Iterator[re.Match[str]]:
    """The regions of a statement (``lastgroup`` is ``string``, ``name`` or ``comment``), its placeholders (``placeholder``) and
    percent signs (``percent``), in their order."""
    return _TOKEN.finditer(sql)


class Template(NamedTuple):
    """A statement taken apart.

    Attributes:
        texts: what is between the placeholders.
        keys: their names; None where they are positional.
        names: names of their binds.
        glued: whether a word follows a placeholder at once.
        plain: the statement with binds that are no lists.
    """

    texts: tuple[str, ...]
    keys: tuple[str, ...] | None
    names: tuple[str, ...]
    glued: tuple[bool, ...]
    plain: str


def rewrite(sql: str, parameters: Parameters | None) -> tuple[str, dict[str, Any]]:
    """The statement with named binds, and their values. Without parameters the statement is left as it is, percent signs too.

    Raises:
        ProgrammingError: placeholders and parameters do not fit each other.
    """
    if parameters is None:
        return sql, {}
    template = parse(sql)
    found = values(template, parameters)
    binds = dict(zip(template.names, found, strict=True))
    if has_lists(found):
        return _joined(template.texts, template.names, template.glued, map(is_list, found)), binds
    return template.plain, binds


def _joined(texts: Sequence[str], names: Iterable[str], glued: Iterable[bool], lists: Iterable[bool]) -> str:
    parts = [texts[0]]
    for text, name, space, is_list in zip(texts[1:], names, glued, lists, strict=True):
        parts.append(("::" if is_list else ":") + name + (" " if space else ""))
        parts.append(text)
    return "".join(parts)


def is_list(value: Any) -> bool:
    """Whether a parameter stands for a list of values."""
    return isinstance(value, (list, tuple, set, frozenset))


def are_plain(values: Iterable[Any]) -> bool:
    """Whether all are of types that stand for one value each and do not change."""
    return _PLAIN.issuperset(map(type, values))


def has_lists(values: Iterable[Any]) -> bool:
    """Whether one of them stands for a list."""
    # Types that are known not to are asked for first, all at once.
    return not are_plain(values) and any(map(is_list, values))


def values(template: Template, parameters: Parameters) -> Sequence[Any]:
    """The value of each placeholder.

    Raises:
        ProgrammingError: placeholders and parameters do not fit each other.
    """
    keys = template.keys
    if keys is None:
        wanted = len(template.names)
        # Asked in this way because it is asked for each statement, and abstract base classes answer slowly.
        if type(parameters) in (tuple, list) and len(parameters) == wanted:
            return parameters  # type: ignore[return-value]  # not seen by mypy
        return _positional(wanted, parameters)
    if not isinstance(parameters, Mapping):
        raise ProgrammingError("the statement has named placeholders (%(name)s): give the parameters as a mapping")
    missing = [key for key in keys if key not in parameters]
    if missing:
        raise ProgrammingError(f"there is no parameter `{missing[0][:64]}`")
    return [parameters[key] for key in keys]


def _positional(wanted: int, parameters: Parameters) -> Sequence[Any]:
    if isinstance(parameters, Mapping):
        if wanted:
            raise ProgrammingError("the statement has positional placeholders (%s): give the parameters as a sequence")
        return ()
    if isinstance(parameters, (str, bytes)) or not isinstance(parameters, Sequence):
        raise ProgrammingError("parameters must be a sequence or a mapping")
    if len(parameters) != wanted:
        raise ProgrammingError(f"the statement has {wanted} placeholders, {len(parameters)} parameters were given")
    return parameters


def _bind_names(keys: tuple[str, ...]) -> dict[str, str]:
    """Names that SQL can have; a key that is none gets a number."""
    names = {key: key for key in keys if _IDENTIFIER.fullmatch(key)}
    taken = set(names)
    number = 0
    for key in keys:
        if key not in names:
            number += 1
            while f"v{number}" in taken:
                number += 1
            names[key] = f"v{number}"
            taken.add(f"v{number}")
    return names


@lru_cache(maxsize=1024)
def parse(sql: str) -> Template:
    """The texts and placeholders of a statement that has parameters.

    Raises:
        ProgrammingError: it has a lone percent sign, or placeholders of both kinds.
    """
    texts: list[str] = []
    keys: list[str | None] = []
    glued: list[bool] = []
    piece: list[str] = []
    at = 0
    for match in tokens(sql):
        piece.append(sql[at : match.start()])
        at = match.end()
        if match["placeholder"] is not None:
            texts.append("".join(piece))
            piece.clear()
            keys.append(match["key"])
            glued.append(match["glued"] is not None)
        elif match["percent"] == "%":
            raise ProgrammingError(f"a lone `%` at character {match.start()}: with parameters, write a percent sign as `%%`")
        elif match["percent"] is not None:
            piece.append("%")
        else:
            piece.append(match[0].replace("%%", "%"))
    piece.append(sql[at:])
    texts.append("".join(piece))
    named = tuple(key for key in keys if key is not None)
    if named and len(named) != len(keys):
        raise ProgrammingError("a statement has either positional placeholders (%s) or named ones (%(name)s), not both")
    if "" in named:
        raise ProgrammingError("a placeholder without a name: %()s")
    if named:
        chosen = _bind_names(named)
        names = tuple(chosen[key] for key in named)
    else:
        names = tuple(f"v{number}" for number in range(1, len(texts)))
    plain = _joined(texts, names, glued, [False] * len(names))
    return Template(tuple(texts), named if named else None, names, tuple(glued), plain)
