"""What a put, a get and an ack of a real queue cost, as they were measured on some machine.

Runs are charged from such a profile and not from a clock, so they repeat to the bit whatever the
disk does. The file is CSV (UTF-8): comment lines ``# name: fact`` about the machine, a header, and
a row per queue, sync mode, operation and batch size. Times are seconds per message.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from .queues.message import Sync
from .values import ParameterError, Value, parameter

__all__ = ["Cost", "CostProfile", "CostProfileError", "Operation", "Sync"]

Operation = Literal["put", "get", "ack", "synced ack"]
"""What is charged; a synced ack is on the disk before it returns."""


class CostProfileError(ValueError):
    """A cost profile that can't be read, or lacks what is asked of it; the text says which."""


class Cost(Value):
    """How long one operation of one queue took on so many messages at once, per message."""

    queue: str = Field(min_length=1, description="what kind of queue")
    sync: Sync = Field(description="when a put is on the disk")
    operation: Operation = Field(description="what was done")
    batch_size: int = parameter(..., "messages that one call dealt with", unit="messages", ge=1)
    p50: float = Field(ge=0, description="median (s per message)")
    p95: float = Field(ge=0, description="95th percentile (s per message)")
    p99: float = Field(ge=0, description="99th percentile (s per message)")
    mean: float = Field(ge=0, description="mean (s per message)")
    samples: int = Field(ge=1, description="calls that were measured")


class CostProfile(Value):
    """The costs of several queues on one machine."""

    machine: tuple[tuple[str, str], ...] = parameter((), "facts about the machine, by name")
    costs: tuple[Cost, ...] = Field(min_length=1, description="what was measured")

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        seen = set()
        for cost in self.costs:
            key = (cost.queue, cost.sync, cost.operation, cost.batch_size)
            if key in seen:
                raise ValueError(f"each cost is given once, got {_named(*key)} again")
            seen.add(key)
        return self

    def timing(self, queue: str, sync: str, operation: str) -> Callable[[int], float]:
        """How long a call takes (s), by the number of messages it deals with.

        It is the mean that was measured; between two batch sizes the line through both, and beyond
        the largest so much more as there are more messages.

        Raises
        ------
        CostProfileError
            Nobody has measured single calls of this operation.
        """
        found = {
            cost.batch_size: cost.batch_size * cost.mean
            for cost in self.costs
            if (cost.queue, cost.sync, cost.operation) == (queue, sync, operation)
        }
        if 1 not in found:
            has = sorted({f"{cost.queue} with sync={cost.sync!r}" for cost in self.costs})
            raise CostProfileError(
                f"the cost profile has no row for {_named(queue, sync, operation, 1)}; it has "
                f"{', '.join(has)}. Measure it, or give the cost yourself"
            )
        sizes = sorted(found)
        seconds = [found[size] for size in sizes]

        def call(messages: int) -> float:
            if messages > sizes[-1]:
                return seconds[-1] * messages / sizes[-1]
            return float(np.interp(messages, sizes, seconds))

        return call

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The profile in a file.

        Raises
        ------
        CostProfileError
            The file is no cost profile; the text gives the line, counted from 1.
        FileNotFoundError
            There is no such file.
        """
        path = Path(path)
        machine: list[tuple[str, str]] = []
        rows: list[tuple[int, str]] = []
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise CostProfileError(f"{path} is not UTF-8 text: {error}") from None
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):
                name, _, fact = line.lstrip("# ").partition(": ")
                machine.append((name, fact))
            elif line.strip():
                rows.append((number, line))
        names = list(Cost.model_fields)
        if not rows or rows[0][1].split(",") != names:
            raise CostProfileError(f"{path} must begin with the columns {','.join(names)}")
        costs = []
        for number, line in rows[1:]:
            cells = next(csv.reader([line]))
            try:
                facts = zip(names, cells, strict=True)
                costs.append(Cost(**{name: _fact(name, cell) for name, cell in facts}))
            except ParameterError as error:
                raise CostProfileError(f"{path}, line {number}: {error.problems[0]}") from None
            except ValueError:
                raise CostProfileError(
                    f"{path}, line {number}: {len(cells)} cells instead of {len(names)}"
                ) from None
        try:
            return cls(machine=tuple(machine), costs=tuple(costs))
        except ParameterError as error:
            raise CostProfileError(f"{path}: {error.problems[0]}") from None

    def write(self, path: str | Path) -> None:
        """Write the profile to a file, in one step: a write that fails leaves what was there."""
        path = Path(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        new = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"# {name}: {fact}\n" for name, fact in self.machine)
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(Cost.model_fields)
                for cost in self.costs:
                    writer.writerow(value for _, value in cost)
            new.chmod(0o644)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    @classmethod
    def shipped(cls) -> CostProfile:
        """The profile that comes with the workbook, ``data/queue_costs.csv``."""
        return _shipped()


@cache
def _shipped() -> CostProfile:
    # An installed library has the file beside this module; a checkout keeps it with other data.
    places = (
        Path(__file__).with_name("queue_costs.csv"),
        Path(__file__).parents[1] / "data/queue_costs.csv",
    )
    return CostProfile.read(next(filter(Path.is_file, places), places[-1]))


def _fact(name: str, cell: str) -> Any:
    """What a cell says; its text if that isn't what it should say."""
    kind = Cost.model_fields[name].annotation
    try:
        return kind(cell) if kind in (int, float) else cell
    except ValueError:
        return cell


def _named(queue: str, sync: str, operation: str, batch_size: int) -> str:
    return f"queue={queue!r}, sync={sync!r}, operation={operation!r}, batch_size={batch_size}"
