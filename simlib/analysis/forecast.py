"""What theory says before anything is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Forecast"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What theory has to say about a scenario before it is run."""

    model: str
    """The model in the field's notation, such as M/M/1; "none" if no formula applies."""
    why: str
    """Why this formula applies, and how good it is; or why none does."""
    predicted: Mapping[str, float] = field(default_factory=dict)
    """Figures of the summary by name."""
    exact: bool = True
    """Whether the formula is exact, or an approximation."""
