"""The way across the network."""

from __future__ import annotations

from collections.abc import Generator
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from simlib import Deterministic, Environment, Exponential, Outage
from simlib.processes import Faults, Timer
from simlib.processes.network import Link

HANGS = Faults([Outage(of="network", kind="hang", start=10.0, duration=5.0)])


def test_a_plain_link_takes_its_latency() -> None:
    assert Link(Environment(), 0.25).arrives(3.0) == 3.25


@pytest.mark.parametrize(
    ("latency", "sent", "there"),
    [
        (2.0, 7.0, 9.0),
        (2.0, 8.0, 10.0),  # Just in time.
        (2.0, 9.0, 16.0),  # Half its way before, half after.
        (2.0, 10.0, 17.0),
        (2.0, 12.0, 17.0),
        (2.0, 15.0, 17.0),
        (0.0, 9.0, 9.0),
        (0.0, 10.0, 15.0),
        (0.0, 12.0, 15.0),
        (0.0, 15.0, 15.0),
    ],
)
def test_nothing_moves_while_the_network_hangs(latency: float, sent: float, there: float) -> None:
    assert Link(Environment(), latency, faults=HANGS).arrives(sent) == there


def test_jitter_comes_on_top_and_has_a_stream_of_its_own() -> None:
    link = Link(Environment(1), 1.0, jitter=Exponential(mean=0.5), name="acks")
    more = np.array([link.arrives(2.0) - 3.0 for _ in range(10_000)])
    assert more.min() >= 0
    # The standard error of the mean is 0.005 s.
    assert more.mean() == pytest.approx(0.5, abs=0.02)
    again = Link(Environment(1), 1.0, jitter=Exponential(mean=0.5), name="acks")
    assert again.arrives(2.0) - 3.0 == more[0]


def test_a_share_gets_lost() -> None:
    link = Link(Environment(2), 1.0, loss=0.2)
    lost = sum(link.arrives(0.0) == inf for _ in range(10_000))
    # The standard error is 40.
    assert abs(lost - 2_000) < 160
    assert Link(Environment(), 1.0, loss=1.0).arrives(0.0) == inf


def test_a_line_keeps_the_order_in_which_things_were_sent() -> None:
    env, heard = Environment(3), []
    link = Link(env, 1.0, jitter=Exponential(mean=2.0))
    line = link.connect(lambda thing: heard.append((env.now, thing)), 0)
    assert line is not None
    instants = []

    def sends() -> Generator[Timer, Any, None]:
        timer = Timer(env, 1)
        for number in range(50):
            instants.append(link.arrives(env.now))
            line.send(number, instants[-1])
            yield timer.at(env.now + 0.1)

    env.process(sends())
    env.run()
    assert [thing for _, thing in heard] == list(range(50))
    assert [time for time, _ in heard] == np.maximum.accumulate(instants).tolist()


def test_where_no_time_goes_by_there_is_no_line() -> None:
    env = Environment()
    assert Link(env).connect(print, 0) is None
    assert Link(env, faults=HANGS).connect(print, 0) is not None
    assert Link(env, jitter=Deterministic(1.0)).connect(print, 0) is not None


def test_a_way_like_another_that_loses_more() -> None:
    env = Environment()
    link = Link(env, 2.0, faults=HANGS).losing(1.0, "acks")
    assert (link.latency, link.arrives(9.0)) == (2.0, inf)


@pytest.mark.parametrize("latency", [-1.0, inf, nan])
def test_no_time_is_refused(latency: float) -> None:
    with pytest.raises(ValueError, match=r"network must be >= 0 s, got"):
        Link(Environment(), latency)


@pytest.mark.parametrize("loss", [-0.1, 1.1, nan])
def test_no_probability_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="loss must be a probability from 0 to 1, got"):
        Link(Environment(), loss=loss)
