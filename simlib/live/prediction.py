"""Prediction against measurement: what the whole does, and what its parts say that it should do.

The parts (put, get, work, ack) are measured one after the other, alone. A model puts them together,
resampled, on simulated time; and then the whole is measured. All of that in rounds, so that what
the machine does meanwhile for others hits both sides alike. Nothing is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from ..distributions import Deterministic, Empirical, Exponential, Replay
from ..processes import Environment
from ..scenarios import FromParts, PointToPoint
from ..values import Value, parameter
from .cases import CASES, Case
from .child import RECEIVED
from .crew import LiveError, crew
from .live_run import LiveResult, LiveRun
from .machine import machine
from .target import Target

__all__ = ["GOALS", "Measurement", "Parts", "compared", "measure_parts", "met", "report"]

Floats = NDArray[np.float64]

FORGOTTEN = 0.1
"""The part of the messages, at the start, that doesn't count."""
SEEDS = 11
"""How many times a model is run, on the same arrivals with parts drawn anew."""
COLUMNS = (
    *("target", "model", "load", "metric", "round", "predicted", "low", "high", "measured"),
    *("doubt", "machine", "date", "how"),
)
GOALS = {"throughput": 0.15, "latency_p50": 0.25, "latency_p95": 0.50}
"""How far from 1 measured ÷ predicted may be."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How long each part takes (s), as measured, call by call."""

    put: Floats
    """Until a message is safe, as its producer sees it."""
    get: Floats
    """Until a message that is there is in a consumer's hands; of a call all but its work."""
    service: Floats
    """The work, slept or computed."""
    ack: Floats
    """Until an ack has returned."""
    wake: Floats = field(default_factory=lambda: np.empty(0))
    """Until a message is in the hands of a consumer that waited for one; empty: as a get."""

    def model(self, **facts: Any) -> FromParts:
        """A simulation of the whole, with these parts drawn at random."""
        parts = {
            "put_cost": self.put,
            "get_cost": self.get,
            "service": self.service,
            "ack_cost": self.ack,
            "cold_start": self.wake,
        }
        facts |= {name: Empirical(values) for name, values in parts.items() if len(values)}
        return FromParts(**facts)

    def in_company(
        self, run: LiveResult, which: Sequence[str] = ("put", "service", "ack", "wake")
    ) -> Parts:
        """Some parts as they were in a run, side by side with everything else that goes on in it.

        How long a get takes that finds a message can't be told from outside; how long a consumer
        that waited took to have its message can.
        """
        rows = run.messages.iloc[run.observed].dropna(subset=["acked"])
        enqueued, acked = (np.sort(rows[name].to_numpy(float)) for name in ("enqueued", "acked"))
        instants = rows["enqueued"].to_numpy(float)
        before = np.searchsorted(enqueued, instants) - np.searchsorted(acked, instants, "right")
        found_one_waiting = before < int(run.servers or 1)
        found = {
            "put": (rows["enqueued"] - rows["sent"]).to_numpy(float),
            "service": (rows["finished"] - rows["started"]).to_numpy(float),
            "ack": (rows["acked"] - rows["finished"]).to_numpy(float),
            "wake": (rows["started"] - rows["enqueued"]).to_numpy(float)[found_one_waiting],
        }
        return replace(self, **{name: found[name] for name in which})


def measure_parts(
    target: Target, works: Floats, *, batch_size: int = 1, where: Path | None = None
) -> Parts:
    """Measure the parts of a target alone: one thing after the other, and nobody beside it.

    Parameters
    ----------
    target : Target
        What is measured.
    works : array of shape (messages,)
        The work that each message brings (s).
    batch_size : int
        The most messages that one get takes, and one ack acks.
    where : path, optional
        The directory on the disk in question.

    Raises
    ------
    LiveError
        A process failed.
    """
    with crew(target, where) as team, target.made(team.directory, 0) as place:
        facts = {"where": place, "maxsize": 0, "senders": 1, "warm": 0, "batch_size": batch_size}
        team.plan(np.zeros(len(works)), works, **facts)
        server = team.start("serve", 1) if target.calls else None
        if server is not None:
            team.must("the start", lambda: bool(team.said("ready", server)))
        worker = team.start("parts")
        team.must("to measure the parts", lambda: team.said("parts", worker) is not None)
        told = team.said("parts", worker) or {}
        found = {name: np.array(values, float) for name, values in told.items()}
        if server is not None:
            rows = team.rows(str(server), RECEIVED)
            # The calls without work came first, and the same with it after them.
            worked = (rows["finished"] - rows["started"])[len(works) :]
            found = {"put": np.empty(0), "get": found["put"], "service": worked}
            found["ack"] = np.empty(0)
    return Parts(**{name: each[int(FORGOTTEN * len(each)) :] for name, each in found.items()})


class Measurement(Value):
    """Predict what real things do from their parts, measure what they do, and compare.

    Each target in turn, in rounds: its parts, its ceiling (all messages due at once), and then what
    messages take at fractions of the ceiling that was measured.
    """

    targets: tuple[str, ...] = Field(
        default=tuple(CASES), min_length=1, description="what is measured", validate_default=True
    )
    rounds: int = parameter(5, "how often each is measured, all in turn", ge=1, le=100)
    messages: int = parameter(
        150, "how many are sent in each run", unit="messages", ge=20, le=10_000
    )
    loads: tuple[float, ...] = parameter(
        (0.3, 0.6, 0.9), "fractions of the measured ceiling at which latencies are compared"
    )
    duration: float = parameter(
        570.0, "time after which no other target is begun", unit="s", gt=0, le=86_400
    )

    @field_validator("targets", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _known(self) -> Self:
        if wrong := [name for name in self.targets if name not in CASES]:
            raise ValueError(f"targets must be among {', '.join(CASES)}, got {', '.join(wrong)}")
        if not all(0 < load < 1 for load in self.loads):
            raise ValueError(f"loads must be > 0 and < 1, got {self.loads}")
        return self

    def run(
        self,
        where: Path | None = None,
        told: Callable[[str], object] = lambda what: None,
    ) -> pd.DataFrame:
        """Measure; a row per round, target, model, load and metric.

        ``low`` and ``high`` are where nine in ten of the model's runs lie. ``doubt`` is whether
        the driver may have been the limit. What can't be measured here, for want of a server or a
        package, is left out and told.

        Parameters
        ----------
        where : path, optional
            The directory on the disk in question.
        told : callable
            Told what is being done.
        """
        rows: list[dict[str, Any]] = []
        cases = {name: CASES[name] for name in self.targets}
        facts, until = machine(), time.monotonic() + self.duration
        common = {
            "machine": f"{facts['CPU']}, {facts['System']}, Python {facts['Python'].split()[-1]}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        }
        for place in range(1, self.rounds + 1):
            for name, case in list(cases.items()):
                if time.monotonic() > until:
                    told(f"no more after {self.duration:g} s")
                    return pd.DataFrame(rows, columns=list(COLUMNS))
                told(f"round {place} of {self.rounds}: {name}")
                try:
                    found = list(self._round(case, place, where))
                except (LiveError, ConnectionError, ImportError, RuntimeError) as error:
                    told(f"without {name}: {error}")
                    del cases[name]
                    continue
                how = f"{self.messages} messages of {1e3 * case.work:g} ms, {case.how}"
                rows += [{"target": name, "round": place, "how": how, **common, **r} for r in found]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _round(self, case: Case, seed: int, where: Path | None) -> Iterator[dict[str, Any]]:
        """One round of one target."""
        work = Deterministic(case.work)
        alone = measure_parts(
            case.target,
            np.full(self.messages, case.work),
            batch_size=case.batch_size,
            where=where,
        )
        parts: dict[tuple[str, ...], Parts] = {(): alone}
        shape = PointToPoint(
            interarrival=0.0,
            service=work,
            messages=self.messages,
            consumers=case.consumers,
            batch_size=case.batch_size,
        )
        flood = LiveRun(shape, case.target, where=where).run(seed)
        last = case.models[-1]
        if last.in_company:
            half = 0.5 * _throughput(_models(alone, case, last.facts, shape, SEEDS))
            beside = self._loaded(shape, half, case, 1_000 + seed, where)
            parts[last.in_company] = alone.in_company(beside, last.in_company)
        ceiling = float(flood.summary()["throughput"])
        runs = {"ceiling": flood}
        for part in self.loads:
            runs[f"{part:g}"] = self._loaded(shape, part * ceiling, case, seed, where)
        for model in case.models:
            for load, run in runs.items():
                predicted = _models(
                    parts[model.in_company], case, model.facts, run.scenario, SEEDS, run.seed
                )
                for metric in ("throughput",) if load == "ceiling" else tuple(GOALS)[1:]:
                    values = [each[metric] for each in predicted]
                    low, high = np.percentile(values, [5, 95])
                    yield {
                        "model": model.name,
                        "load": load,
                        "metric": metric,
                        "predicted": float(np.median(values)),
                        "low": float(low),
                        "high": float(high),
                        "measured": float(run.summary()[metric]),
                        "doubt": bool(load != "ceiling" and run.limited),
                    }

    def _loaded(
        self, shape: PointToPoint, rate: float, case: Case, seed: int, where: Path | None
    ) -> LiveResult:
        scenario = shape.replace(
            interarrival=Exponential(mean=1 / rate), warmup=int(FORGOTTEN * self.messages)
        )
        return LiveRun(scenario, case.target, where=where).run(seed)


def _models(
    parts: Parts,
    case: Case,
    facts: dict[str, Any],
    scenario: Any,
    runs: int,
    seed: int = 0,
) -> list[pd.Series[float]]:
    """Summaries of a model on the very arrivals that the real thing has met."""
    due = scenario.arrivals(Environment(seed))
    whole = parts.model(
        interarrival=Replay(np.diff(due, prepend=0.0)),
        messages=len(due),
        warmup=scenario.warmup,
        consumers=case.consumers,
        batch_size=case.batch_size,
        **facts,
    )
    return [whole.run(each).summary() for each in range(runs)]


def _throughput(summaries: Sequence[pd.Series[float]]) -> float:
    return float(np.median([each["throughput"] for each in summaries]))


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Measured ÷ predicted of each target, model, load and metric: the median over the rounds, the
    least and the most; and in how many rounds the driver may have been the limit."""
    ratio = rows.assign(ratio=rows["measured"] / rows["predicted"])
    groups = ratio.groupby(["target", "model", "metric", "load"], sort=False)
    return groups.agg(
        ratio=("ratio", "median"),
        least=("ratio", "min"),
        most=("ratio", "max"),
        rounds=("ratio", "size"),
        doubted=("doubt", "sum"),
    ).reset_index()


def met(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row of :func:`compared` is within the goal of its metric."""
    goals = table["metric"].map(GOALS)
    return (table["ratio"] - 1).abs() <= goals


def report(rows: pd.DataFrame) -> str:
    """All of it in words: a line per target and model, and how often the goals were met."""
    table = compared(rows)
    table["said"] = [
        f"{each.ratio:.2f} ({each.least:.2f}–{each.most:.2f}){'!' if each.doubted else ''}"
        for each in table.itertuples()
    ]
    table["of"] = [
        SHORT[metric] if load == "ceiling" else f"{SHORT[metric]} at {float(load):.0%}"
        for metric, load in zip(table["metric"], table["load"], strict=True)
    ]
    columns = sorted(dict.fromkeys(table["of"]), key=lambda name: (name[:3] != "cei", name[:3]))
    lines = table.pivot_table(
        index=["target", "model"], columns="of", values="said", aggfunc="first", sort=False
    )[columns].fillna("")
    said = [
        "Measured ÷ predicted: the median of the rounds (least–most); !: in some round the driver",
        "may have been the limit.",
        "",
        lines.reset_index().to_string(index=False),
        "",
    ]
    last = table.groupby("target")["model"].transform("last")
    good = met(table)
    for name, goal in GOALS.items():
        of = table["metric"] == name
        for which, chosen in (
            ("first model", _first(table)),
            ("last model", table["model"] == last),
        ):
            counted = good[of & chosen]
            said.append(
                f"{SHORT[name]} within {goal:.0%}, {which}: {counted.sum()} of {len(counted)}"
            )
    return "\n".join(said)


SHORT = {"throughput": "ceiling", "latency_p50": "p50", "latency_p95": "p95"}


def _first(table: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are about the first model of their target."""
    return table["model"] == table.groupby("target")["model"].transform("first")
