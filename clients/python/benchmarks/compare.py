"""The Python client's speed through Vitrail beside PyMySQL's and asyncmy's on the same MariaDB: ``make bench-python``.

Both sides of a pair take turns in each round of one run, and which is first changes from round to round. Told is the ratio of a
round's rates: the median of the rounds, and between which two values half of them lie; and the CPU time of this process, which
changes less with other work on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent
sys.path[:0] = [str(HOME), str(HOME.parent / "tests")]

import pymysql  # noqa: E402
from sides import Side, asyncmy_side, pymysql_side, vitrail_aio_side, vitrail_side  # noqa: E402
from support.servers import Gate, MariaDB, temporary  # noqa: E402
from workloads import SCHEMA, WORKLOADS, Spent, Workload, fill  # noqa: E402

DATABASE = "speed"
_KEYSPACE = """
[[keyspaces.{0}.shards]]
name = "0"
database = "{0}"
mysql = {{ socket = "{1}", user = "vitrail", password = "secret" }}
"""

Pair = tuple[str, Side, str, Side]


async def measure(pairs: Sequence[Pair], workloads: Sequence[Workload], rounds: int, chance: random.Random) -> list[dict[str, Any]]:
    """Rates of all workloads and pairs, round by round; a round to warm up comes first."""
    spent: dict[tuple[str, str], tuple[list[Spent], list[Spent]]] = {
        (workload.name, name): ([], []) for workload in workloads for name, _, _, _ in pairs
    }
    for round in range(rounds + 1):
        for workload in workloads:
            for name, side, _, other in pairs:
                turns = [(0, side), (1, other)]
                for which, chosen in turns if round % 2 else reversed(turns):
                    gc.collect()
                    took = await workload.run(chosen, chance)
                    if round:
                        spent[workload.name, name][which].append(took)
        print(f"round {round} of {rounds}", file=sys.stderr, flush=True)
    return [summary(workload, name, other, *spent[workload.name, name]) for workload in workloads for name, _, other, _ in pairs]


def summary(workload: Workload, name: str, other: str, spent: list[Spent], beside: list[Spent]) -> dict[str, Any]:
    """What came of one workload and pair. Computing is that of this process, in microseconds for one thing."""

    def rate(side: list[Spent]) -> float:
        return statistics.median(workload.count / took.seconds for took in side)

    def computing(side: list[Spent]) -> float:
        return statistics.median(took.computing / workload.count * 1e6 for took in side)

    ratios = [theirs.seconds / ours.seconds for ours, theirs in zip(spent, beside, strict=True)]
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return {
        "workload": workload.name,
        "unit": workload.unit,
        "driver": name,
        "beside": other,
        "rate": rate(spent),
        "rate_beside": rate(beside),
        "computing": computing(spent),
        "computing_beside": computing(beside),
        "ratio": median,
        "ratio_quartiles": [lower, upper],
        "ratios": ratios,
        "aim": workload.aim,
        "reached": median >= workload.aim,
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """The table in Markdown."""
    heads = (
        "what",
        "driver",
        "a second",
        "CPU of each",
        "beside it",
        "a second",
        "CPU of each",
        "ratio",
        "half of the rounds",
        "aim",
        "",
    )
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for result in results:
        lower, upper = result["ratio_quartiles"]
        cells = (
            result["workload"],
            f"`{result['driver']}`",
            f"{result['rate']:,.0f}",
            f"{result['computing']:.1f} µs",
            result["beside"],
            f"{result['rate_beside']:,.0f}",
            f"{result['computing_beside']:.1f} µs",
            f"{result['ratio']:.2f}",
            f"{lower:.2f} to {upper:.2f}",
            f"{result['aim']:g}",
            "reached" if result["reached"] else "**not reached**",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def run(url: str, port: int, rounds: int, only: str, seed: int) -> list[dict[str, Any]]:
    """Opens the sides, fills the tables, and measures. ``url`` is that of the gate, ``port`` MariaDB's."""
    blocking = vitrail_side(url)
    fill(blocking)
    pairs: list[Pair] = [
        ("vitrail", blocking, "PyMySQL", pymysql_side(port, DATABASE)),
        ("vitrail.aio", await vitrail_aio_side(url), "asyncmy", await asyncmy_side(port, DATABASE)),
    ]
    workloads = [workload for workload in WORKLOADS if only in workload.name]
    return await measure(pairs, workloads, rounds, random.Random(seed))


def main() -> int:
    """The exit status is 1 if an aim is not reached and ``--check`` is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vitrail", type=Path, required=True, help="the server's program, of a release build")
    parser.add_argument("--rounds", type=int, default=15, help="rounds after the one that warms up")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads whose name holds TEXT")
    parser.add_argument("--json", type=Path, help="where to write all ratios")
    parser.add_argument("--check", action="store_true", help="exit status 1 if an aim is not reached")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(temporary())
        mariadb = MariaDB(folder)
        stack.callback(mariadb.stop)
        mariadb.sql(
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; GRANT ALL ON *.* TO vitrail@localhost IDENTIFIED BY 'secret'"
        )
        for statement in SCHEMA:
            mariadb.sql(f"USE {DATABASE}; {statement}")
        os.environ["VITRAIL_BINARY"] = str(options.vitrail.resolve())
        gate = Gate(folder / "gate", mariadb, extra=_KEYSPACE.format(DATABASE, mariadb.socket))
        stack.callback(gate.stop)
        results = asyncio.run(run(gate.url(DATABASE), mariadb.port, options.rounds, options.only, options.seed))
    print(table(results))
    if options.json is not None:
        versions = {"python": platform.python_version(), "pymysql": pymysql.__version__, "asyncmy": version("asyncmy")}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"versions": versions, "rounds": options.rounds, "results": results}, indent=2) + "\n")
    return int(options.check and not all(result["reached"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
