"""Runs the behaviours with each client, and writes what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.certificates import Certificates
from support.servers import Gate, MariaDB, temporary
from support.vectors import REPOSITORY

from . import behaviours
from .adapter import Adapter, Unsupported
from .bench import BEHAVIOURS, Bench, Stage
from .catalogue import Entry, catalogue

assert behaviours.__all__

#: Behaviours that run at a time: most of them wait.
_SIDE_BY_SIDE = 4

_MARKS = {"passed": "yes", "failed": "**no**", "excluded": "–"}


@dataclass(frozen=True)
class Result:
    """What came of one behaviour with one client. ``reason``: why it failed or was left out."""

    outcome: str
    reason: str
    seconds: float


def run(command: str, stage: Stage, name: str) -> Result:
    """Shows one behaviour with a fresh adapter."""
    started = time.monotonic()
    adapter = Adapter(command)
    try:
        BEHAVIOURS[name](Bench(stage, adapter))
        outcome, reason = "passed", ""
    except Unsupported as unsupported:
        outcome, reason = "excluded", str(unsupported)
    except Exception as error:
        outcome, reason = "failed", f"{type(error).__name__}: {error}"
        traceback.print_exc(limit=-3)
    finally:
        adapter.stop()
    return Result(outcome, reason, round(time.monotonic() - started, 2))


def run_all(clients: dict[str, str], names: list[str]) -> dict[str, dict[str, Result]]:
    """Shows all behaviours with all clients, over the same servers."""
    found: dict[str, dict[str, Result]] = {client: {} for client in clients}
    with temporary() as folder:
        mariadb = MariaDB(folder)
        servers = [Gate(folder / "gate", mariadb)]
        try:
            certificates = Certificates(folder / "certificates")
            servers.append(Gate(folder / "secure", mariadb, certificates.listen()))
            stage = Stage(folder, mariadb, servers[0], servers[1], certificates)
            with ThreadPoolExecutor(_SIDE_BY_SIDE) as workers:
                jobs = [
                    (client, name, workers.submit(run, command, stage, name))
                    for name in names
                    for client, command in clients.items()
                ]
                for client, name, job in jobs:
                    result = found[client][name] = job.result()
                    print(f"{client}: {name}: {result.outcome} {result.reason}".rstrip(), flush=True)
        finally:
            for server in servers:
                server.stop()
            mariadb.stop()
    return found


def page(entries: list[Entry], results: dict[str, dict[str, Result]]) -> str:
    """The table of all clients, in Markdown. It holds nothing that changes from run to run."""
    clients = sorted(results)
    lines = [
        "# Conformance",
        "",
        "Which behaviours of [behaviours.md](../proto-spec/behaviours.md) each client shows, as `make test-clients` found.",
        "Do not edit it: [tools/conformance](../tools/conformance/README.md) writes it anew.",
        "",
        f"| behaviour | {' | '.join(clients)} |",
        f"|---|{'---|' * len(clients)}",
    ]
    for entry in entries:
        marks = [_MARKS[results[client][entry.name].outcome] for client in clients]
        lines.append(f"| `{entry.name}` | {' | '.join(marks)} |")
    notes = [
        f"- {client}, `{name}`: {result.reason}"
        for client in clients
        for name, result in results[client].items()
        if result.outcome == "excluded"
    ]
    if notes:
        lines += ["", "What is left out, and why:", "", *notes]
    return "\n".join(lines) + "\n"


def main() -> int:
    """The exit status says whether all clients show all behaviours that they do not leave out by name."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--client", action="append", required=True, metavar="NAME=COMMAND", help="a client and its adapter")
    parser.add_argument("--only", metavar="TEXT", help="behaviours whose name contains this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--write", action="store_true", help="write clients/CONFORMANCE.md")
    arguments = parser.parse_args()
    entries = catalogue(REPOSITORY / "proto-spec" / "behaviours.md")
    named, shown = [entry.name for entry in entries], list(BEHAVIOURS)
    if sorted(named) != sorted(shown):
        print("behaviours.md and the runner differ:", sorted(set(named) ^ set(shown)), file=sys.stderr)
        return 2
    names = [name for name in named if arguments.only is None or arguments.only in name]
    results = run_all(dict(client.split("=", 1) for client in arguments.client), names)
    if arguments.json is not None:
        plain = {client: {name: vars(result) for name, result in found.items()} for client, found in results.items()}
        arguments.json.write_text(json.dumps(plain, indent=2) + "\n")
    if arguments.write and arguments.only is None:
        (REPOSITORY / "clients" / "CONFORMANCE.md").write_text(page(entries, results))
    for client, found in results.items():
        outcomes = [result.outcome for result in found.values()]
        print(f"{client}: " + ", ".join(f"{outcomes.count(kind)} {kind}" for kind in _MARKS))
    return int(any(result.outcome == "failed" for found in results.values() for result in found.values()))


if __name__ == "__main__":
    sys.exit(main())
