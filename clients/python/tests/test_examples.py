"""The code of the README and the examples, run against ``vitrail demo`` as a reader runs them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import binary, wait_until

HOME = Path(__file__).resolve().parents[1]
SAYS = {
    "quickstart.py": r"(?:\w+ \d+ minutes\n){3}",
    "transaction.py": r"booking 1: \d+\.\d\d\nbooking 2: \d+\.\d\d\n",
    "stream.py": r"number \d+: \w+ to \w+, \d+ minutes\n\d+ flights in all\n",
    "cancel.py": r"deadline: .*\(deadline, 3024, HY000\)\ncancelled\nstill here\n",
    "pool.py": r"(?:\w+: \d+ flights\n){3}over 1 socket\n",
}
#: What the blocks of code in the README print, in their order.
README_SAYS = [r"(?:.+\n){3}", r"\[\('ORD', .*\), \('SFO', .*\)\]\n\d+\n", *[r"(?:Honolulu -?\d+\n){3}"] * 2]


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[str]:
    """The URL of a demo on free ports."""
    output = folder / "demo.log"
    with output.open("wb") as log:
        command = [str(binary()), "demo", "--port", "0", "--http-port", "0"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until("the demo", lambda: "Ready after" in output.read_text(), process)
        found = re.search(r"vitrail://demo@\S+/flights", output.read_text())
        assert found
        yield found[0]
        process.send_signal(signal.SIGINT)
        process.wait(60)


def run(arguments: list[str]) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=HOME)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in (HOME / "examples").glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("name", sorted(SAYS))
def test_examples(demo: str, name: str) -> None:
    assert re.fullmatch(SAYS[name], run([f"examples/{name}", demo]))


def blocks(readme: Path) -> list[str]:
    """Its blocks of Python."""
    return re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)


def test_all_code_of_the_readme_is_run() -> None:
    assert len(blocks(HOME / "README.md")) == len(README_SAYS)


@pytest.mark.parametrize("number", range(len(README_SAYS)))
def test_the_code_of_the_readme(demo: str, tmp_path: Path, number: int) -> None:
    block = blocks(HOME / "README.md")[number]
    if "sqlalchemy" in block:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy 2.1 needs Python 3.11")
    assert block.count("vitrail://demo@127.0.0.1:15300/flights") == 1
    script = tmp_path / "block.py"
    script.write_text(block.replace("vitrail://demo@127.0.0.1:15300/flights", demo))
    assert re.fullmatch(README_SAYS[number], run([str(script)]))


def test_the_code_of_the_first_readme(demo: str, tmp_path: Path) -> None:
    [block] = blocks(HOME.parents[1] / "README.md")
    script = tmp_path / "block.py"
    script.write_text(block.replace("vitrail://demo@127.0.0.1:15300/flights", demo) + "print(name)\n")
    assert run([str(script)]) == "San Francisco International\n"
