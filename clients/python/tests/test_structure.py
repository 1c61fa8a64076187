"""What the source must keep: layers, and documentation of all that is public."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "vitrail"
FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", sorted((SOURCE / "protocol").glob("*.py")), ids=lambda path: path.stem)
def test_the_protocol_knows_no_io(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add((node.module or "").partition(".")[0])
    assert not imported & {"socket", "ssl", "asyncio", "time", "selectors", "os", "random"}


def test_there_is_no_dependency() -> None:
    text = (SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert "\ndependencies" not in text


def test_packages_carry_the_license_of_the_repository() -> None:
    project = SOURCE.parents[1]
    assert (project / "LICENSE").read_bytes() == (project.parents[1] / "LICENSE").read_bytes()
    assert 'license-files = ["LICENSE"]' in (project / "pyproject.toml").read_text(encoding="utf-8")


def public(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """All public classes and functions below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not child.name.startswith("_"):
            decorators = [ast.unparse(decorator) for decorator in child.decorator_list]
            if not any(decorator.endswith((".setter", "overload")) for decorator in decorators):
                yield f"{name}.{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{name}.{child.name}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_all_that_is_public_has_a_docstring(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    assert not [name for name, node in public(module, path.stem) if not ast.get_docstring(node)]  # type: ignore[arg-type]
