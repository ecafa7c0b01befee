"""Predictions and exercises."""

import math

import pytest

from simlib.present import Exercise, Prediction


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
    ],
)
def test_a_prediction_is_scored(said: float, actual: float, verdict: str) -> None:
    assert verdict in Prediction("It takes", said, "s").score(actual)


def test_a_prediction_shows_what_was_said() -> None:
    assert repr(Prediction("It takes", 0.25, "s")) == "It takes: you say 250 ms"
    assert repr(Prediction("It loses", 0.05, "%")) == "It loses: you say 5 %"


@pytest.mark.parametrize("value", ["3", None, True, math.nan, math.inf])
def test_a_prediction_is_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="a prediction is a number"):
        Prediction("It takes", value)  # type: ignore[arg-type]


EXERCISE = Exercise(lambda: 4.0, unit="s", hints={"With the service.": lambda: 5.0})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (..., "No answer yet"),
        (None, "No answer yet"),
        ("4", "is a number"),
        (4.0, "Right: 4 s."),
        (4.07, "Right"),
        (5.0, "Not quite. With the service."),
        (9, "smaller"),
        (1, "larger"),
    ],
)
def test_an_answer_is_checked(answer: object, said: str) -> None:
    assert said in EXERCISE.check(answer)
