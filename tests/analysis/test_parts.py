"""A part of a run: some of the messages, and what is known of them alone."""

import numpy as np
import pytest

from simlib import Exponential
from simlib.scenarios import PublishSubscribe

RESULT = PublishSubscribe(
    interarrival=Exponential(1.0), service=Exponential(0.6), messages=1_000, subscribers=3
).run(1)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_part_is_divided_by_its_own_servers_or_not_at_all(number: int) -> None:
    chosen = RESULT.labels["queue"] == number
    alone, known = RESULT.part(chosen), RESULT.part(chosen, servers=1)
    assert np.isnan(alone.summary()["utilisation"])
    assert known.summary()["utilisation"] == pytest.approx(
        RESULT.summary()[f"utilisation_{number + 1}"]
    )
    others = alone.summary().drop("utilisation")
    assert others.equals(known.summary().drop("utilisation"))


@pytest.mark.parametrize("servers", [0, -1, 1.5, True, "2"])
def test_servers_of_a_part_are_a_whole_number(servers: object) -> None:
    with pytest.raises(ValueError, match="servers must be a whole number >= 1, got"):
        RESULT.part(RESULT.labels["queue"] == 0, servers=servers)  # type: ignore[arg-type]
