"""The second half of the experiments at the highest load: see test_coverage_of_intervals.py."""

from collections.abc import Callable


def test_the_second_half_at_a_high_load(covered: Callable[..., float]) -> None:
    assert 0.93 <= covered(0.9, 60_000, 2_000, slice(500, None)) <= 0.97
