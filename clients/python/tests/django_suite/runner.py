"""Django's test runner, with exclusions, and a report as JUnit has it."""

from __future__ import annotations

import os
import re
import traceback
import unittest
import xml.etree.ElementTree as ElementTree
from typing import Any

from django.test.runner import DiscoverRunner
from django_suite.exclusions import ALWAYS, OVER_SHARDS, TESTS

SHARDS = int(os.environ["VITRAIL_SUITE_SHARDS"])
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Result(unittest.TextTestResult):
    """Remembers what became of each test: the first of its failures, why it was not run, or nothing of the kind."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.outcomes: dict[str, tuple[str, str] | None] = {}

    def _say(self, test: Any, kind: str, text: str) -> None:
        if self.outcomes.get(test.id()) is None:
            self.outcomes[test.id()] = (kind, _NO_XML.sub("?", text))

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), None)

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self._say(test, "error", self.errors[-1][1])

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        self._say(test, "failure", self.failures[-1][1])

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._say(test, "failure", f"{subtest}\n{''.join(traceback.format_exception(*err))}")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self._say(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        self._say(test, "skipped", "fails as expected")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        self._say(test, "failure", "succeeds unexpectedly")

    def write(self, path: str) -> None:
        """Writes the report."""
        root = ElementTree.Element("testsuite")
        for name, outcome in self.outcomes.items():
            class_name, _, method = name.rpartition(".")
            case = ElementTree.SubElement(root, "testcase", classname=class_name, name=method)
            if outcome is not None:
                kind, text = outcome
                element = ElementTree.SubElement(case, kind, message=text.strip().rpartition("\n")[2][:1000])
                element.text = text
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


class Runner(DiscoverRunner):
    """Runs all but what is excluded. An exclusion that fits no test, where all are run, is an error: lists must not rot."""

    def get_resultclass(self) -> Any:
        """The class that remembers outcomes."""
        return Result

    def build_suite(self, *arguments: Any, **options: Any) -> Any:
        """The tests, with exclusions marked."""
        suite: Any = super().build_suite(*arguments, **options)
        excluded = {**ALWAYS, **(TESTS if SHARDS else {}), **(OVER_SHARDS if SHARDS > 1 else {})}
        met = set()
        for test in suite:
            name = test.id()
            if name in excluded:
                met.add(name)
                method = test._testMethodName
                setattr(test, method, unittest.skip(excluded[name])(getattr(test, method)))
        unmet = set(excluded) - met
        if unmet and not os.environ.get("VITRAIL_SUITE_PART"):
            raise AssertionError(f"exclusions of tests that do not exist: {sorted(unmet)}")
        return suite

    def run_suite(self, suite: Any, **options: Any) -> Any:
        """Runs them, and writes the report."""
        result: Any = super().run_suite(suite, **options)
        result.write(os.environ["VITRAIL_SUITE_REPORT"])
        return result
