"""Trials and rates as they were recorded, for machines without a server; and how to record them.

``python -m simlib.live.rabbit.record data`` runs everything on this machine and writes the files
``rabbitmq_trials.csv``, ``rabbitmq_rates.csv`` and ``rabbitmq_spans.csv`` into that folder. It
takes about six minutes, and needs a RabbitMQ server, its programs, and Flask.

Each file is CSV (UTF-8) with comment lines ``# name: fact`` about the machine at its head.
"""

from __future__ import annotations

import argparse
import csv
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...tracing import Kind, Span, TraceContext
from ..address import address
from ..machine import machine
from ..pika_words import pika_itself
from .connection import Link, close
from .exchange import traced
from .flaws import TRIALS, Finding
from .rates import Rate, measure

__all__ = ["Trials", "main", "read_rates", "read_spans", "record"]

FINDINGS, RATES, SPANS = "rabbitmq_trials.csv", "rabbitmq_rates.csv", "rabbitmq_spans.csv"

SPAN_COLUMNS = (
    *("trace", "span", "parent", "name", "service", "kind", "start", "end", "outcome", "error"),
)


class Trials:
    """The trials, run on a server if one answers, or else as they were recorded.

    Parameters
    ----------
    folder : str or Path
        Where the records are.
    url : str, optional
        As for :func:`simlib.live.address.address`.
    """

    def __init__(self, folder: str | Path, url: str | None = None) -> None:
        self.recorded = _read_findings(Path(folder) / FINDINGS)
        """What was recorded of each trial, by its name."""
        self.url: str | None = None
        """The server's address; None if none answers."""
        try:
            found = address(url)
            close(Link(url=found).connect())
        except (ConnectionError, ImportError) as error:
            why = textwrap.fill(str(error), 72, break_long_words=False, break_on_hyphens=False)
            self.says = f"{why}\nUntil then all below is what was recorded."
            """Whether there is a server, and if not, how to get one."""
        else:
            self.url = found
            self.says = "RabbitMQ answers: what is tried below is tried on it"

    def tried(self, name: str, own_server: bool = False) -> list[Finding]:
        """What comes of a trial, done as the tutorial has it and done right.

        Parameters
        ----------
        name : str
            One of :data:`simlib.live.rabbit.flaws.TRIALS`.
        own_server : bool
            Whether to start, restart and kill a server of one's own, if the trial needs one; that
            takes up to half a minute. Else it is as recorded.
        """
        if name not in TRIALS:
            raise ValueError(f"a trial is one of {', '.join(TRIALS)}, got {name!r}")
        needs = TRIALS[name].needs
        possible = {"nothing": True, "server": self.url is not None, "own server": own_server}
        if possible[needs]:
            try:
                return list(TRIALS[name].run(self.url or ""))
            except (FileNotFoundError, ModuleNotFoundError):  # A program or a package is missing.
                if own_server:
                    raise
        return self.recorded[name]


def _read_findings(path: Path) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for row in _rows(path):
        messages, lost, doubled = (int(row[name]) for name in ("messages", "lost", "doubled"))
        made = Finding(row["trial"], row["way"], messages, lost, doubled, row["said"])
        found.setdefault(made.trial, []).append(made)
    return found


def read_rates(folder: str | Path) -> list[Rate]:
    """The rates that were recorded."""
    return [
        Rate(
            row["what"],
            row["way"],
            *(float(row[name]) for name in ("per_second", "ratio", "low", "high")),
        )
        for row in _rows(Path(folder) / RATES)
    ]


def read_spans(folder: str | Path) -> list[Span]:
    """The spans that were recorded of an exchange."""
    return [
        Span(
            context=TraceContext(row["trace"], row["span"]),
            parent_id=row["parent"] or None,
            name=row["name"],
            service=row["service"],
            kind=Kind(int(row["kind"])),
            start=float(row["start"]),
            end=float(row["end"]),
            outcome=row["outcome"],
            error=row["error"] == "True",
        )
        for row in _rows(Path(folder) / SPANS)
    ]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is missing: python -m simlib.live.rabbit.record {path.parent}"
        ) from None
    yield from csv.DictReader(line for line in lines if not line.startswith("#"))


def record(folder: str | Path, url: str | None = None, rounds: int = 11) -> None:
    """Run everything, and write the three files.

    Parameters
    ----------
    folder : str or Path
        Where to.
    url : str, optional
        As for :func:`simlib.live.address.address`.
    rounds : int
        How often each rate is measured.
    """
    where, folder = address(url), Path(folder)
    findings = [found for trial in TRIALS.values() for found in trial.run(where)]
    rates = measure(where, rounds=rounds)
    spans = traced(where)
    facts = _facts(where)
    _write(folder / FINDINGS, facts, Finding._fields, findings)
    rounded = [(r.what, r.way, *(f"{value:.4g}" for value in r[2:])) for r in rates]
    _write(folder / RATES, {**facts, "Rounds": str(rounds)}, Rate._fields, rounded)
    rows = [
        (
            *(each.trace_id, each.span_id, each.parent_id or "", each.name, each.service),
            *(int(each.kind), f"{each.start:.6f}", f"{each.end:.6f}", each.outcome, each.error),
        )
        for each in spans
    ]
    _write(folder / SPANS, facts, SPAN_COLUMNS, rows)


def _facts(url: str) -> dict[str, str]:
    connection = Link(url=url).connect()
    server = connection._impl.server_properties
    version, platform = server["version"], server["platform"]
    close(connection)
    return {
        **machine(),
        "RabbitMQ": f"{version}, {platform}",
        "pika": pika_itself().__version__,
        "Date": datetime.now(UTC).date().isoformat(),
        "Made by": "python -m simlib.live.rabbit.record data",
    }


def _write(
    path: Path, facts: Mapping[str, str], names: Iterable[str], rows: Iterable[Iterable[Any]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {name}: {fact}\n" for name, fact in facts.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def main() -> None:
    """Record into the folder that is named."""
    parser = argparse.ArgumentParser(
        prog="python -m simlib.live.rabbit.record", description="Run all trials, and record them."
    )
    parser.add_argument("folder", type=Path, help="where to, such as data")
    parser.add_argument("--rounds", type=int, default=11, help="how often each rate is measured")
    options = parser.parse_args()
    try:
        record(options.folder, rounds=options.rounds)
    except (ConnectionError, FileNotFoundError, ModuleNotFoundError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
