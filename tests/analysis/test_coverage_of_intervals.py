"""Whether 95 % intervals cover the truth in 95 of 100 experiments.

The other half of the experiments at the highest load, which take the longest, is in a file of its
own: tests are shared out by the file.
"""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(("load", "messages", "warmup"), [(0.5, 1_000, 100), (0.8, 5_000, 500)])
def test_intervals_cover_the_truth_as_often_as_they_say(
    load: float, messages: int, warmup: int, covered: Callable[..., float]
) -> None:
    assert 0.93 <= covered(load, messages, warmup) <= 0.97


def test_the_first_half_at_a_high_load(covered: Callable[..., float]) -> None:
    assert 0.93 <= covered(0.9, 60_000, 2_000, slice(500)) <= 0.97
