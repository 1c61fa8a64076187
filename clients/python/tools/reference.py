"""Writes ``REFERENCE.md`` from the docstrings of what users call: ``python tools/reference.py``. Standard library only."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, is_typeddict

import vitrail
from vitrail import adapt, aio

OUTPUT = Path(__file__).resolve().parents[1] / "REFERENCE.md"

_HEAD = """# Reference

All that applications call, from the docstrings. The [README](README.md) says how it fits together; SQLAlchemy's dialects and the
Django backend are used by the names of these frameworks.
"""
_LONGEST_LINE = 110
_SECTION = re.compile(r"(Arguments|Attributes|Raises):")
_ITEM = re.compile(r"([\w., ]+): (.*)", re.DOTALL)
#: What a class has for others of this package stands below such a comment.
_INTERNAL = re.compile(r"^ +# === for ", re.MULTILINE)


def reference() -> str:
    """The whole text."""
    return "\n".join([_HEAD, *_module(vitrail), *_module(aio)])


def _module(module: types.ModuleType) -> Iterator[str]:
    yield f"## {module.__name__}\n"
    yield _text(module)
    members = [(name, getattr(module, name)) for name in module.__all__]
    functions = [member for member in members if inspect.isfunction(member[1]) and member[0].islower()]
    classes = [member for member in members if inspect.isclass(member[1]) and member[1].__module__.startswith("vitrail")]
    failures = [member for member in classes if issubclass(member[1], Exception)]
    for name, function in functions:
        yield from _callable(f"{module.__name__}.{name}", function, "###")
    for name, kind in classes:
        if (name, kind) not in failures:
            yield from _class(f"{module.__name__}.{name}", kind)
    for name, kind in failures:
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__ if base is not object)
        yield f"### {module.__name__}.{name}\n\nA kind of {bases}.\n"
        yield _text(kind)
    others = [name for name, value in members if (name, value) not in functions + classes]
    if others:
        yield f"### Further names\n\nAs PEP 249 has them: {', '.join(f'`{name}`' for name in others)}.\n"


def _class(title: str, kind: type) -> Iterator[str]:
    yield f"### {title}\n"
    if is_typeddict(kind):
        lines = [f"{name}: {annotation}" for name, annotation in _annotations(kind)]
        yield "```python\n" + "\n".join(lines) + "\n```\n"
    elif dataclasses.is_dataclass(kind) or issubclass(kind, tuple) or kind.__module__ == adapt.__name__:
        yield _signature(kind.__name__, kind)
    yield _text(kind)
    public = _public_part(kind)
    for name, member in vars(kind).items():
        if name.startswith("_") or f" {name}(" not in public:
            continue
        if isinstance(member, property):
            settable = ", may be set" if member.fset else ""
            yield f"#### {kind.__name__}.{name}\n\nA property{settable}. {_text(member)}"
        elif inspect.isfunction(member):
            yield from _callable(f"{kind.__name__}.{name}", member, "####")


def _public_part(kind: type) -> str:
    source = inspect.getsource(kind)
    internal = _INTERNAL.search(source)
    return source if internal is None else source[: internal.start()]


def _callable(title: str, function: Any, level: str) -> Iterator[str]:
    yield f"{level} {title}\n"
    yield _signature(function.__name__, function)
    yield _text(function)


def _annotations(kind: type) -> Iterator[tuple[str, str]]:
    for name, annotation in kind.__annotations__.items():
        yield name, getattr(annotation, "__forward_arg__", str(annotation))


def _signature(name: str, function: Any) -> str:
    """A block of code; parameters stand below each other where they are many."""
    signature = inspect.signature(function)
    without_self = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    shown = signature.replace(parameters=without_self)
    word = "async def " if inspect.iscoroutinefunction(inspect.unwrap(function)) else ""
    line = word + name + _unquoted(str(shown))
    if len(line) > _LONGEST_LINE:
        marks, star = [], False
        for parameter in without_self:
            if parameter.kind is parameter.KEYWORD_ONLY and not star:
                marks.append("*")
            star = star or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
            marks.append(_unquoted(str(parameter)))
        end = line.rpartition(")")[2]
        line = f"{word}{name}(\n" + "".join(f"    {mark},\n" for mark in marks) + f"){end}"
    return f"```python\n{line}\n```\n"


def _unquoted(text: str) -> str:
    """Annotations as they are written."""
    return re.sub(r"(: |-> )(?:ForwardRef\()?(['\"])(.*?)\2\)?", r"\1\3", text)


def _text(documented: Any) -> str:
    """A docstring as Markdown."""
    found = inspect.getdoc(documented)
    assert found, f"{documented} has no docstring"
    lines: list[str] = []
    for line in found.splitlines():
        if _SECTION.fullmatch(line):
            lines.append(f"{line[:-1]}:")
            lines.append("")
        else:
            lines.append(line)
    blocks, rest = [], "\n".join(lines).split("\n\n")
    for block in rest:
        items = textwrap.dedent(block) if block.startswith("    ") else None
        if items is None:
            blocks.append(" ".join(block.splitlines()))
        else:
            entries = re.split(r"\n(?! )", items)
            blocks.append("\n".join(map(_entry, entries)))
    text = "\n\n".join(blocks)
    text = re.sub(r":\w+:`~?\.*(?:[a-z_.]+\.)?(\w+)`", r"`\1`", text)
    return re.sub(r"``(.+?)``", r"`\1`", text) + "\n"


def _entry(entry: str) -> str:
    found = _ITEM.fullmatch(" ".join(line.strip() for line in entry.splitlines()))
    if found is None:
        return f"- {entry}"
    names = ", ".join(f"`{name.strip().removeprefix('errors.')}`" for name in found[1].split(","))
    return f"- {names}: {found[2]}"


if __name__ == "__main__":
    OUTPUT.write_text(reference(), encoding="utf-8")
