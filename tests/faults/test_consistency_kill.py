"""A process that holds the databases of three services is killed after each step, and recovered.

What is on the disk then is compared with what a crash in memory leaves: the same invariants hold,
and the same are broken where a pattern doesn't bear the crash.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from consistency_child import opened
from size import FULL, size

from simlib.queues import MemoryQueue
from simlib.stores import PATTERNS, Once, Services, ordering_by_queues, settle

CHILD = Path(__file__).with_name("consistency_child.py")

ALWAYS = {"customer + shop is constant", "free + reserved is constant"}


class Case(NamedTuple):
    """A pattern, who refuses ("nobody" for none), how it knows what it did, and where it dies."""

    pattern: str
    refuse: str
    dedup: Any
    step: str


def in_memory(case: Case, orders: int) -> tuple[list[str], tuple[str, ...]]:
    """The steps, and what is broken, if a crash in memory comes after this one."""
    passed: list[str] = []
    crash = Once(case.step or None)

    def told(point: str) -> None:
        passed.append(point)
        crash(point)

    with Services(
        money=0 if case.refuse == "card" else 10**6, goods=0 if case.refuse == "stock" else 10**6
    ) as services:
        queues = {name: MemoryQueue() for name in ("orders", "stock", "bank")}
        ordering = ordering_by_queues(case.pattern, services, queues, case.dedup)
        settle(ordering, queues, [f"order {n}" for n in range(orders)], told)
        return list(dict.fromkeys(passed)), services.broken()


def cases() -> Iterator[Case]:
    for name, pattern in PATTERNS.items():
        for refuse in ("nobody", "card", "stock") if "saga" in name else ("nobody",):
            for dedup in pattern.choices:
                steps, broken = in_memory(Case(name, refuse, dedup, ""), 1)
                assert not broken
                yield from (Case(name, refuse, dedup, step) for step in steps)


CASES = list(cases())


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("case", CASES if FULL else CASES[:: size(16, 1)], ids=":".join)
def test_a_kill_after_any_step_leaves_what_a_crash_leaves(
    memory_path: Path, tally: Any, case: Case
) -> None:
    orders = 2
    command = [sys.executable, str(CHILD), str(memory_path), *case, str(orders)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    with ExitStack() as stack:
        ordering, queues = opened(stack, memory_path, case.pattern, case.refuse, case.dedup)
        # The customer asks again for what there was no reply to.
        replied = child.stdout.splitlines()
        keys = [f"order {n}" for n in range(orders)]
        settle(ordering, queues, [key for key in keys if key not in replied])
        broken = ordering.services.broken()
        assert not ordering.services.outboxes["orders"].unsent()
    assert not ALWAYS & set(broken)
    assert set(broken) == set(in_memory(case, orders)[1])
    if case.dedup == "inbox" and (case.pattern, case.step) != ("commit, publish", "commit"):
        assert broken == ()
    tally.count(f"kill after a named step: {case.pattern}", "orders, stock, bank")
