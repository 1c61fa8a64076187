"""Runs all tests of the clients in other languages than Rust, and the conformance of all; ``target/clients/summary.json`` has it.

``make test-clients`` calls it; ``make test-sqlalchemy`` and ``make test-django`` with the name of a framework's suite, which is all
that is run then; ``make bench-python`` with ``speed`` and arguments of ``python/benchmarks/compare.py``. Standard library only;
what the tests need is installed into an environment under ``target``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import venv
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
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


def environment(project: Path) -> Path:
    """An environment of this Python with the development dependencies that a project pins; gives the folder of its programs."""
    folder = OUTPUT / project.name
    with made(folder, project, sys.version) as missing:
        if missing:
            venv.create(folder, clear=True, with_pip=True)
            # The first that reads dependency groups.
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
            install([folder / "bin" / "pip"], project, "dev")
    return folder / "bin"


def environment_of(interpreter: Interpreter, pip: Path, project: Path) -> Path:
    """An environment of another Python with what the tests need, installed by this one's pip."""
    folder = OUTPUT / f"{project.name}-{interpreter.name}"
    with made(folder, project, str(interpreter.version)) as missing:
        if missing:
            subprocess.run([interpreter.program, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
            install([pip, "--python", folder / "bin" / "python"], project, "test")
    return folder / "bin"


@contextlib.contextmanager
def made(folder: Path, project: Path, version: str) -> Iterator[bool]:
    """Says whether an environment has to be made, and notes that it was."""
    wanted = hashlib.sha256((project / "pyproject.toml").read_bytes() + version.encode()).hexdigest()
    stamp = folder / "installed"
    missing = not stamp.exists() or stamp.read_text() != wanted
    yield missing
    if missing:
        stamp.write_text(wanted)


def install(pip: list[str | Path], project: Path, group: str) -> None:
    """Installs a dependency group of a project, and the project as it stands in its folder."""
    subprocess.run([*pip, "install", "--quiet", "--group", f"{project / 'pyproject.toml'}:{group}"], check=True)
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--editable", str(project)], check=True)


@dataclass(frozen=True, order=True)
class Interpreter:
    """A Python of this machine."""

    version: tuple[int, int, int]
    program: Path

    @property
    def name(self) -> str:
        """Such as ``3.10``."""
        return f"{self.version[0]}.{self.version[1]}"


#: The oldest Python that the client runs on.
OLDEST = (3, 10)


def other_interpreters() -> list[Interpreter]:
    """The oldest and the newest Python that can be had, this one aside: of those on the PATH, of pyenv's, of uv's, and of what
    ``tools/harness/install-python`` has put into the cache."""
    home = Path.home()
    cache = Path(os.environ.get("VITRAIL_CACHE") or home / ".cache" / "vitrail")
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += [*pyenv.glob("versions/*/bin"), *home.glob(".local/share/uv/python/*/bin"), cache / "python-sid" / "usr" / "bin"]
    programs = {program for folder in folders for program in folder.glob("python3.*") if program.suffix[1:].isdecimal()}
    found = sorted(interpreter for interpreter in map(asked, programs) if interpreter and interpreter.version[:2] >= OLDEST)
    ends = {found[0].name: found[0], found[-1].name: found[-1]} if found else {}
    return [interpreter for name, interpreter in ends.items() if interpreter.version[:2] != sys.version_info[:2]]


def asked(program: Path) -> Interpreter | None:
    """A program's version; None: it does not run, is no final release, or cannot make environments."""
    question = "import ssl, sys, venv; print(*sys.version_info[:4])"
    answer = subprocess.run([program, "-c", question], capture_output=True, text=True, check=False).stdout.split()
    if answer[3:] != ["final"]:
        return None
    return Interpreter((int(answer[0]), int(answer[1]), int(answer[2])), program)


def check_python() -> Client:
    """The Python client: format, lints, types, packages, tests."""
    client = Client("python")
    project = REPOSITORY / "clients" / "python"
    programs = environment(project)
    client.run("ruff format", [programs / "ruff", "format", "--check", "--quiet", ".", "../check.py"], project)
    client.run("ruff check", [programs / "ruff", "check", "--quiet", ".", "../check.py"], project)
    client.run("mypy --strict", [programs / "mypy", "--no-error-summary"], project)
    client.run("pyright", [programs / "pyright", "--pythonpath", programs / "python"], project)
    build: list[str | Path] = [programs / "python", "-m", "build", "--no-isolation", "--outdir", OUTPUT / "dist"]
    client.run("wheel and sdist", build, project)
    run_tests(client, programs, project, "{}.{}.{}".format(*sys.version_info[:3]))
    for interpreter in other_interpreters():
        others = environment_of(interpreter, programs / "pip", project)
        run_tests(client, others, project, "{}.{}.{}".format(*interpreter.version))
    return client


def run_tests(client: Client, programs: Path, project: Path, version: str) -> None:
    """The client's own tests on a Python."""
    report = OUTPUT / f"python-{version}.xml"
    client.run(
        f"tests, CPython {version}", [programs / "python", "-m", "pytest", "--quiet", f"--junit-xml={report}"], project, report
    )


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
    programs = environment(project)
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
    programs = environment(project)
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
