"""The notebooks' exercises, by number: their answers are kept here, out of the learner's sight.

A module for each notebook has a table of its exercises, in their order. A hint is for one typical
wrong answer, and says what went wrong with it.
"""

from ..learning import Exercise
from . import nb01, nb02, nb03, nb04, nb05, nb06, nb07, nb08, nb09, nb10, nb12, nb13, nb14

__all__ = ["EXERCISES", "exercise"]

EXERCISES: dict[str, Exercise] = {
    name: each
    for module in (nb01, nb02, nb03, nb04, nb05, nb06, nb07, nb08, nb09, nb10, nb12, nb13, nb14)
    for name, each in module.EXERCISES.items()
}
"""All exercises by number: "02.3" is the third of notebook 02."""


def exercise(number: str) -> Exercise:
    """The exercise with that number, as "02.3", to check an answer with."""
    if number not in EXERCISES:
        raise ValueError(f"there is no exercise {number!r}; there are {', '.join(EXERCISES)}")
    return EXERCISES[number]
