"""A pattern step by step: what runs, and where it can be stopped.

A pattern is written as a generator that does a step and then yields its name, never within a
transaction. Whoever drives it decides what happens there: go on, wait for a simulated while, or
crash. The code itself knows nothing of that, so the same code runs in a simulation, in a test that
kills its process, and on anybody's disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

__all__ = ["CrashError", "Once", "Steps", "follow", "go_on"]

Steps: TypeAlias = Iterator[str]
"""The steps of a pattern: each is done when its name comes."""


class CrashError(Exception):
    """A process has crashed after a step; what it held in memory is gone."""

    def __init__(self, point: str) -> None:
        super().__init__(f"crashed after {point!r}")
        self.point = point


class Once:
    """Crashes after a step the first time that it is passed, and never again.

    Parameters
    ----------
    point : str or None
        The name of the step; None: nothing crashes.
    """

    def __init__(self, point: str | None) -> None:
        self.point = point

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.point = None
            raise CrashError(point)


def go_on(point: str) -> None:
    """Let a step pass by."""


def follow(steps: Steps, passed: Callable[[str], None]) -> None:
    """Do all steps, and tell of each that it is done."""
    for point in steps:
        passed(point)
