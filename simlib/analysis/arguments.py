"""What the functions of this room accept: each check returns what it was given, or says why not."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from ..theory import checks

__all__ = ["checked", "level", "processes", "whole"]

Given = TypeVar("Given")

whole = checks.whole


def checked(scenario: Given) -> Given:
    """A scenario with its parameters, and not its class or something else."""
    given: object = scenario
    if not isinstance(given, BaseModel) or not hasattr(given, "forecast"):
        hint = f": give it its parameters, {given.__name__}(...)" if isinstance(given, type) else ""
        raise TypeError(f"scenario must be one such as PointToPoint(...), got {given!r}{hint}")
    return scenario


def level(confidence: float) -> float:
    """A confidence between 0 and 1, both excluded."""
    number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not number or not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return confidence


def processes(n_jobs: int) -> int:
    """How many processes to run in, as joblib counts them."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise ValueError(f"n_jobs must be a whole number >= 1, or -1 for all cores, got {n_jobs!r}")
    return n_jobs
