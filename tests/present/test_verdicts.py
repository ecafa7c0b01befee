"""Verdicts take numbers that say where they come from, and no others."""

import math
from collections.abc import Callable

import pytest

from simlib.analysis import interval
from simlib.analysis.replications import Interval
from simlib.present import by_theory, in_runs, mean, measured, one_run, setting, verdict
from simlib.present.verdicts import Number


def around(middle: float, half: float) -> Interval:
    return Interval(middle, middle - half, middle + half, half)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (mean(around(0.01551, 0.00096), "s"), "15.5 ± 1.0 ms"),
        (mean(around(0.01551, 0.0123), "s"), "16 ± 12 ms"),
        (mean(around(-0.1688, 0.006), "s"), "-169 ± 6 ms"),
        (mean(around(2386, 503), "messages"), "2,400 ± 500 messages"),
        (mean(around(0.4437, 0.012), "%"), "44.4 ± 1.2 %"),
        (mean(around(31.79, 0.21), "/s"), "31.79 ± 0.21/s"),
        (mean(around(9.46, 1.25)), "9.5 ± 1.2"),
        (in_runs([0.025, 0.025, 0.025], "s"), "25 ms in each of 3 runs"),
        (in_runs([22, 18, 26], "messages"), "18 to 26 messages in 3 runs"),
        (one_run(60.66, "s"), "60.7 s (one run)"),
        (by_theory(266.4, "s"), "266 s by theory"),
        (measured(5.78e-6, "s"), "5.78 µs, measured"),
        (setting(0.8, "%"), "80 %"),
        (setting(32, "/s"), "32/s"),
    ],
)
def test_a_number_says_where_it_comes_from(number: Number, text: str) -> None:
    assert str(number) == text


def test_a_verdict_is_read_as_markdown_and_as_text() -> None:
    found = verdict("It is faster. (1)", "**True** by {by}.", by=mean(interval([1.0, 2.0, 3.0])))
    assert found._repr_markdown_() == "> It is faster. (1)\n\n**True** by 2.0 ± 2.5."
    assert repr(found) == "It is faster. (1)\nTrue by 2.0 ± 2.5."


@pytest.mark.parametrize(
    "typed",
    ["It took 5 s.", "More than 2,000 late.", "Half a minute.", "A third of them.", "Some twenty."],
)
def test_a_typed_number_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="passed by name, not typed: "):
        verdict("It is faster.", typed)


def test_a_claim_may_have_numbers() -> None:
    assert "99th" in repr(verdict("The 99th percentile is 1 ms.", "**False.** Nobody, no one run."))


@pytest.mark.parametrize(
    ("found", "numbers"),
    [
        ("It took {time}.", {}),
        ("It took long.", {"time": setting(1, "s")}),
        ("It took {}.", {"time": setting(1, "s")}),
    ],
)
def test_names_and_numbers_fit_each_other(found: str, numbers: dict[str, Number]) -> None:
    with pytest.raises(ValueError, match="one of the two"):
        verdict("It is faster.", found, **numbers)


@pytest.mark.parametrize("bare", [5, 0.1, "5 s", around(1, 2)])
def test_a_number_from_nowhere_is_refused(bare: object) -> None:
    with pytest.raises(TypeError, match="says not where it comes from"):
        verdict("It is faster.", "It took {time}.", time=bare)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "error", "words"),
    [
        (lambda: mean(5.0), TypeError, "a mean has an interval"),  # type: ignore[arg-type]
        (lambda: mean(around(0.025, 0.0), "s"), ValueError, "use in_runs"),
        (lambda: mean(around(0.025, 1e-18), "s"), ValueError, "use in_runs"),
        (lambda: mean(around(math.nan, math.nan)), ValueError, "not finite"),
        (lambda: in_runs([1.0]), ValueError, "use one_run"),
    ],
)
def test_what_is_no_mean(made: Callable[[], Number], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        made()
