"""Runs all tests of the clients in other languages than Rust, and the conformance of all; ``target/clients/summary.json`` has it.

``make test-clients`` calls it; ``make test-sqlalchemy`` with ``sqlalchemy`` as argument; ``make bench-python`` with ``speed`` and
arguments of ``python/benchmarks/compare.py``. Standard library only; what the tests need is installed into an environment under
``target``.
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


def check_sqlalchemy() -> Client:
    """SQLAlchemy's compliance suite with both dialects through one shard and two, beside SQLAlchemy's own over MariaDB alone."""
    client = Client("python")
    project = REPOSITORY / "clients" / "python"
    programs = environment(OUTPUT / "python", project)
    runs = [("mysql+pymysql", 0), ("vitrail", 1), ("vitrail+aio", 1), ("vitrail", 2), ("vitrail+aio", 2)]
    passed: dict[tuple[str, int], set[str]] = {}
    for driver, shards in runs:
        report = OUTPUT / f"sqlalchemy-{driver}-{shards}.xml"
        suite = project / "tests" / "sqlalchemy_suite" / "run.py"
        command: list[str | Path] = [programs / "python", suite, driver, str(shards), "--quiet", f"--junit-xml={report}"]
        client.run(f"sqlalchemy {driver}, {shards} shards", command, project, report)
        passed[driver, shards] = passing(report)
        beyond = len(passed[runs[0]] - passed[driver, shards])
        print(f"== beyond what {runs[0][0]} excludes: {beyond} of {len(passed[runs[0]])}")
    return client


def passing(report: Path) -> set[str]:
    """Tests of a JUnit report of the suite that passed, without the dialect that is in the names of their classes."""
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    return {
        f"{case.get('classname', '').partition('+')[0].rpartition('_')[0]}::{case.get('name')}" for case in cases if not len(case)
    }


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
    alone = sys.argv[1:] == ["sqlalchemy"]
    clients = [check_sqlalchemy()] if alone else [check_python(), Client("rust")]
    if not alone:
        check_conformance(clients)
    print()
    for client in clients:
        for step in client.steps:
            print(f"{client.language}: {step.name}: {step.passed} passed, {step.failed} failed, {step.excluded} excluded")
    summary = {client.language: {**client.totals, "steps": [asdict(step) for step in client.steps]} for client in clients}
    written = OUTPUT / ("sqlalchemy.json" if alone else "summary.json")
    written.write_text(json.dumps(summary, indent=2) + "\n")
    print("summary:", written)
    return int(any(client.totals["failed"] for client in clients))


if __name__ == "__main__":
    sys.exit(main())
