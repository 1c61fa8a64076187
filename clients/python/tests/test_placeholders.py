"""Placeholders against the vectors that all clients share."""

from __future__ import annotations

from typing import Any

import pytest
from support.vectors import TESTDATA, cases, name_of

import vitrail
from vitrail import placeholders


@pytest.mark.parametrize("case", cases(TESTDATA / "placeholders" / "regions.json"), ids=name_of)
def test_regions(case: dict[str, Any]) -> None:
    assert [list(region) for region in placeholders.regions(case["sql"])] == case["regions"]


@pytest.mark.parametrize("case", cases(TESTDATA / "placeholders" / "pyformat.json"), ids=name_of)
def test_pyformat(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(vitrail.ProgrammingError) as caught:
            placeholders.rewrite(case["sql"], case["args"])
        assert case["error"] in str(caught.value)
    else:
        assert placeholders.rewrite(case["sql"], case["args"]) == (case["rewritten"], case["binds"])


def test_no_text_is_ever_read_twice() -> None:
    """What a parameter holds does not matter: it never becomes part of the statement."""
    sql, binds = placeholders.rewrite("select %s, %s", ["%s', :v2 --", "%(a)s"])
    assert sql == "select :v1, :v2"
    assert binds == {"v1": "%s', :v2 --", "v2": "%(a)s"}


def test_long_statements_take_no_long_time() -> None:
    """Unclosed quotes and many percent signs do not make it slow or deep."""
    for sql in ("'" * 200_001, "/*" * 100_000, "%%" * 100_000, "\\'" * 100_000 + "'", "--" * 100_000):
        assert isinstance(placeholders.rewrite(sql, [])[0], str)
