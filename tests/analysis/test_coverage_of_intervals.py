"""Whether 95 % intervals cover the truth in 95 of 100 experiments.

At the highest load, where experiments take the longest, there are half as many, and all of them at
full size (`make faults`).
"""

import os
from collections.abc import Callable

import pytest

HALF = slice(None if os.environ.get("FAULTS") == "full" else 500)


@pytest.mark.parametrize(("load", "messages", "warmup"), [(0.5, 1_000, 100), (0.8, 5_000, 500)])
def test_intervals_cover_the_truth_as_often_as_they_say(
    load: float, messages: int, warmup: int, covered: Callable[..., float]
) -> None:
    assert 0.93 <= covered(load, messages, warmup) <= 0.97


def test_they_do_at_a_high_load(covered: Callable[..., float]) -> None:
    assert 0.93 <= covered(0.9, 60_000, 2_000, HALF) <= 0.97
