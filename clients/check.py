"""Runs all tests of the clients in other languages than Rust, and the conformance of all; ``target/clients/summary.json`` has it.

``make test-clients`` calls it; ``make test-sqlalchemy`` and ``make test-django`` with the name of a framework's suite, which is all
that is run then; ``make bench-python`` with ``speed`` and arguments of ``python/benchmarks/compare.py``. Standard library only;
what the tests need is installed into an environment under ``target``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import venv
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
OUTPUT = TARGET / "clients"


@dataclass
class Step:
    """One thing that is checked. ``excluded``: tests that exist and were not run."""

    name: str
    passed: int = 0
    failed: int = 0
    excluded: int = 0
    seconds: float = 0.0


@dataclass
class Client:
    """What came of a client's checks."""

    language: str
    steps: list[Step] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, int]:
        """Sums over the steps."""
        return {name: sum(getattr(step, name) for step in self.steps) for name in ("passed", "failed", "excluded")}

    def run(self, name: str, command: list[str | Path], folder: Path, report: Path | None = None) -> None:
        """Runs a command: a test of its own, or with ``report`` as many as that JUnit file says."""
        print(f"== {self.language}: {name}", flush=True)
        if report is not None:
            report.unlink(missing_ok=True)
        started = time.monotonic()
        succeeded = subprocess.run([str(part) for part in command], cwd=folder, check=False).returncode == 0
        step = Step(name, passed=int(succeeded), failed=int(not succeeded), seconds=round(time.monotonic() - started, 1))
        if report is not None and report.exists():
            step.passed, step.failed, step.excluded = counted(report)
            if not succeeded and not step.failed:
                step.failed = 1
        self.steps.append(step)


def counted(report: Path) -> tuple[int, int, int]:
    """Tests of a JUnit report that passed, failed, and were not run."""
    passed = failed = excluded = 0
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            excluded += 1
        else:
            passed += 1
    return passed, failed, excluded


def environment(folder: Path, project: Path) -> Path:
    """An environment with the development dependencies that a project pins; gives the folder of its programs."""
    programs = folder / "bin"
    wanted = hashlib.sha256((project / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        python = str(programs / "python")
        # The first that reads dependency groups.
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
        group = f"{project / 'pyproject.toml'}:dev"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--group", group], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", str(project)], check=True)
        stamp.write_text(wanted)
    return programs


def check_python() -> Client:
    """The Python client: format, lints, types, packages, tests."""
    client = Client("python")
    project = REPOSITORY / "clients" / "python"
    programs = environment(OUTPUT / "python", project)
    report = OUTPUT / "python-tests.xml"
    client.run("ruff format", [programs / "ruff", "format", "--check", "--quiet", ".", "../check.py"], project)
    client.run("ruff check", [programs / "ruff", "check", "--quiet", ".", "../check.py"], project)
    client.run("mypy --strict", [programs / "mypy", "--no-error-summary"], project)
    client.run("pyright", [programs / "pyright", "--pythonpath", programs / "python"], project)
    build: list[str | Path] = [programs / "python", "-m", "build", "--no-isolation", "--outdir", OUTPUT / "dist"]
    client.run("wheel and sdist", build, project)
    client.run("tests", [programs / "python", "-m", "pytest", "--quiet", f"--junit-xml={report}"], project, report)
    return client


@dataclass(frozen=True)
class Suite:
    """The tests of a framework for its databases. ``runs``: its backends and how many shards each has; the first is the framework's
    own over MariaDB alone. ``class_name``: what of a test's class is the same in all runs."""

    runs: tuple[tuple[str, int], ...]
    class_name: Callable[[str], str]


SUITES = {
    "sqlalchemy": Suite(
        (("mysql+pymysql", 0), ("vitrail", 1), ("vitrail+aio", 1), ("vitrail", 2), ("vitrail+aio", 2)),
        # The dialect is in the names of the classes.
        lambda name: name.partition("+")[0].rpartition("_")[0],
    ),
    "django": Suite((("django.db.backends.mysql", 0), ("vitrail.django", 1), ("vitrail.django", 2)), lambda name: name),
}


#: Of the tests that a framework's own backend passes, fewer than one in so many may be left out.
LEFT_OUT = 20


def check_suite(client: Client, name: str) -> None:
    """One of :data:`SUITES`, through one shard and two. Says how much is not run that the framework's own backend runs."""
    suite = SUITES[name]
    project = REPOSITORY / "clients" / "python"
    programs = environment(OUTPUT / "python", project)
    own: set[str] = set()
    for driver, shards in suite.runs:
        report = OUTPUT / f"{name}-{driver}-{shards}.xml"
        program = project / "tests" / f"{name}_suite" / "run.py"
        command: list[str | Path] = [programs / "python", program, driver, str(shards), "--quiet", f"--junit-xml={report}"]
        client.run(f"{name} {driver}, {shards} shards", command, project, report)
        passed = passing(report, suite.class_name)
        own = own or passed
        beyond = len(own - passed)
        print(f"== beyond what {suite.runs[0][0]} excludes: {beyond} of {len(own)}")
        if beyond * LEFT_OUT >= len(own):
            client.steps.append(Step(f"{name} {driver}, {shards} shards: too much is left out", failed=1))


def passing(report: Path, class_name: Callable[[str], str]) -> set[str]:
    """Tests of a JUnit report that passed."""
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    return {f"{class_name(case.get('classname', ''))}::{case.get('name')}" for case in cases if not len(case)}


def check_conformance(clients: list[Client]) -> None:
    """The behaviours of ``proto-spec/behaviours.md`` with all clients, over the same servers."""
    python = OUTPUT / "python" / "bin" / "python"
    project = REPOSITORY / "clients" / "python"
    adapters = {
        "python": f"{python} {project / 'tests' / 'conformance_adapter.py'}",
        "rust": str(TARGET / "debug" / "examples" / "conformance"),
    }
    report = OUTPUT / "conformance.json"
    report.unlink(missing_ok=True)
    options = [option for name, command in adapters.items() for option in ("--client", f"{name}={command}")]
    print("== conformance", flush=True)
    paths = [REPOSITORY / "tools" / "conformance", project / "tests"]
    started = time.monotonic()
    subprocess.run(
        [str(python), "-m", "conformance", "--write", "--json", str(report), *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(path) for path in paths)},
        check=False,
    )
    seconds = round(time.monotonic() - started, 1)
    found = json.loads(report.read_text()) if report.exists() else {}
    for client in clients:
        outcomes = [result["outcome"] for result in found.get(client.language, {}).values()]
        counts = [outcomes.count(kind) for kind in ("passed", "failed", "excluded")]
        # Without an answer the step has failed.
        client.steps.append(Step("conformance", counts[0], counts[1] if outcomes else 1, counts[2], seconds))


def build_missing() -> None:
    """Builds what the tests need of the Rust workspace, unless it is there."""
    cargo = os.environ.get("CARGO", "cargo")
    wanted = {
        TARGET / "debug" / "vitrail": ["--bin", "vitrail"],
        TARGET / "debug" / "examples" / "conformance": ["--package", "vitrail-client", "--example", "conformance"],
    }
    for program, arguments in wanted.items():
        if not program.exists():
            subprocess.run([cargo, "build", *arguments], cwd=REPOSITORY, check=True)


def measure_python(arguments: list[str]) -> int:
    """The speed of the Python client beside others; ``target/clients/speed.json`` has it."""
    project = REPOSITORY / "clients" / "python"
    programs = environment(OUTPUT / "python", project)
    command = [programs / "python", project / "benchmarks" / "compare.py", "--json", OUTPUT / "speed.json", *arguments]
    return subprocess.run([str(part) for part in command], check=False).returncode


def main() -> int:
    """Checks all clients; the exit status says whether all is well."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] == ["speed"]:
        return measure_python(sys.argv[2:])
    build_missing()
    alone = sys.argv[1] if sys.argv[1:] else None
    if alone:
        clients = [Client("python")]
        check_suite(clients[0], alone)
    else:
        clients = [check_python(), Client("rust")]
        check_conformance(clients)
        for suite in SUITES:
            check_suite(clients[0], suite)
    print()
    for client in clients:
        for step in client.steps:
            print(f"{client.language}: {step.name}: {step.passed} passed, {step.failed} failed, {step.excluded} excluded")
    summary = {client.language: {**client.totals, "steps": [asdict(step) for step in client.steps]} for client in clients}
    written = OUTPUT / f"{alone or 'summary'}.json"
    written.write_text(json.dumps(summary, indent=2) + "\n")
    print("summary:", written)
    return int(any(client.totals["failed"] for client in clients))


if __name__ == "__main__":
    sys.exit(main())
