"""Predictions and exercises."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from simlib.present import Exercise, Prediction


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("said", "actual", "verdict"),
    [
        (3.0, 3.0, "Exactly"),
        (3.0, 3.1, "Within a tenth"),
        (3.0, 4.0, "25 % too little"),
        (4.0, 3.0, "33 % too much"),
        (60.0, 266.0, "a factor of 4.4 too little"),
        (3.0, 0.0001, "a factor of 30,000 too much"),
        (-0.05, 0.017, "off by 67 ms"),
        (0.0, 2.0, "off by 2 s"),
        (-3.0, -6.0, "a factor of 2.0 too little"),
        (..., 6.0, "you made no prediction; it is 6 s"),
        (np.int64(3), np.float64(3.0), "Exactly"),
    ],
)
def test_a_prediction_is_scored(said: float, actual: float, verdict: str) -> None:
    assert verdict in unwrapped(Prediction("It takes", said, "s").score(actual))


@pytest.mark.parametrize(
    ("said", "actual", "unit", "verdict"),
    [
        (25, 26, "", "you said 25, it is 26. Near, but 1 too little."),
        (26, 26, "", "Exactly"),
        (3, 4, "messages", "25 % too little"),
        (5_800, 5_842, "messages", "Within a tenth"),
        (61.0, 60.0, "s", "Within a tenth"),
        (1, 5.75, "messages", "you said 1 message, it is 5.75 messages"),
        (95, 0.45, "%", "you said 95 %, it is 45 %: a factor of 2.1 too much"),
        (0.95, 0.45, "%", "you said 95 %, it is 45 %"),
        (1.5, 1.4, "%", "you said 150 %"),
    ],
)
def test_counts_and_fractions_are_scored_as_such(
    said: float, actual: float, unit: str, verdict: str
) -> None:
    assert verdict in unwrapped(Prediction("It needs", said, unit).score(actual))


def test_a_score_is_broken_between_words() -> None:
    score = Prediction("Of 1,000 payments, bookings too many because of lost acks", 50).score(112)
    assert max(map(len, score.splitlines())) <= 64
    assert unwrapped(score).endswith("it is 112: a factor of 2.2 too little.")


def test_a_prediction_shows_what_was_said() -> None:
    assert repr(Prediction("It takes", 0.25, "s")) == "It takes: you say 250 ms"
    assert repr(Prediction("It loses", 0.05, "%")) == "It loses: you say 5 %"
    assert repr(Prediction("It holds", 1, "messages")) == "It holds: you say 1 message"
    assert repr(Prediction("It takes", ..., "s")) == "It takes: no prediction yet"


@pytest.mark.parametrize("value", ["3", None, True, math.nan, math.inf, 10**400, 1j])
def test_a_prediction_is_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="a prediction is a number"):
        Prediction("It takes", value)  # type: ignore[arg-type]


EXERCISE = Exercise(lambda: 4.0, unit="s", hints={"With the service.": lambda: 5.0})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (..., "No answer yet"),
        (None, "No answer yet"),
        ("4", "an ordinary number, not '4'"),
        (math.nan, "an ordinary number, not nan"),
        (math.inf, "an ordinary number, not inf"),
        (10**400, "an ordinary number, not 1000"),
        (4 + 0j, "an ordinary number, not (4+0j)"),
        (True, "an ordinary number, not True"),
        (np.array([4.0, 4.0]), "an ordinary number, not array"),
        ([4] * 1_000, "an ordinary number, not [4, 4,"),
        (np.float32(4), "Right"),
        (np.int64(4), "Right"),
        (Fraction(4), "Right"),
        (Decimal(4), "Right"),
        (4_000, "off by a factor of 1,000. Seconds, not milliseconds?"),
        (4 / 60, "off by a factor of 60. Seconds, not minutes?"),
        (0.004, "off by a factor of 1,000. Look at the units."),
        (-4, "larger"),
        (4.0, "Right: 4 s."),
        (4.07, "Right"),
        (5.0, "Not quite. With the service."),
        (9, "smaller"),
        (1, "larger"),
    ],
)
def test_an_answer_is_checked(answer: object, said: str) -> None:
    assert said in unwrapped(EXERCISE.check(answer))


def test_a_number_too_long_to_be_written_gets_a_sentence_too() -> None:
    assert "an ordinary number" in unwrapped(EXERCISE.check(10**5_000))
    with pytest.raises(ValueError, match="a prediction is a number"):
        Prediction("It takes", 10**5_000)


def test_percent_is_told_from_a_fraction() -> None:
    load = Exercise(lambda: 0.75, unit="%", hints={"The whole.": lambda: 75})
    assert load.check(0.75) == "Right: 0.750, that is 75 %."
    assert load.check(75) == "Not quite. The whole."  # What is typical goes first.
    assert "A fraction, not percent?" in unwrapped(Exercise(lambda: 0.75, unit="%").check(75))
    assert "factor of 100" in Exercise(lambda: 75).check(0.75)
