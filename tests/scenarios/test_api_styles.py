"""A page that asks an API: rounds, bytes, queries, and the time they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib.scenarios import ApiStyles

LAN: dict[str, float] = {"rtt": 0.0005, "bandwidth": 1e9 / 8}
WAN: dict[str, float] = {"rtt": 0.040, "bandwidth": 50e6 / 8}

# What is asked for; requests, rounds, bytes up and down, queries, ms on a LAN and on a WAN.
DESIGN: list[tuple[dict[str, Any], tuple[int, int, int, int, int], tuple[float, float]]] = [
    ({"task": "order", "style": "rpc"}, (1, 1, 313, 271, 1), (2.5, 42.1)),
    ({"task": "order"}, (3, 2, 727, 1008, 3), (5.0, 84.3)),
    ({"task": "order", "style": "graphql"}, (1, 1, 407, 290, 3), (3.5, 43.1)),
    ({"style": "rpc"}, (1, 1, 320, 2573, 1), (2.5, 42.5)),
    ({"batched": False, "parallel": 1}, (41, 41, 9965, 17152, 41), (102.7, 1726.3)),
    ({"batched": False, "parallel": 6}, (41, 8, 9965, 17152, 41), (20.2, 340.3)),
    ({"batched": False, "parallel": 40}, (41, 2, 9965, 17152, 41), (5.2, 88.3)),
    ({}, (3, 2, 910, 11040, 3), (5.1, 85.9)),
    ({"style": "graphql", "batched": False}, (1, 1, 405, 2593, 41), (42.5, 82.5)),
    ({"style": "graphql"}, (1, 1, 405, 2593, 3), (3.5, 43.5)),
    ({"task": "create", "style": "rpc"}, (1, 1, 403, 161, 1), (2.5, 42.1)),
    ({"task": "create"}, (1, 1, 394, 325, 1), (2.5, 42.1)),
    ({"task": "create", "style": "graphql"}, (1, 1, 475, 186, 1), (2.5, 42.1)),
    ({"task": "change", "style": "rpc"}, (1, 1, 331, 161, 1), (2.5, 42.1)),
    ({"task": "change", "etags": False}, (1, 1, 327, 117, 1), (2.5, 42.1)),
    ({"task": "change", "style": "graphql"}, (1, 1, 422, 205, 1), (2.5, 42.1)),
    ({"task": "change"}, (2, 2, 684, 413, 2), (5.0, 84.2)),
    ({"task": "poll", "style": "rpc"}, (60, 60, 19200, 154380, 60), (151.4, 2547.8)),
    ({"task": "poll", "style": "graphql"}, (60, 60, 24300, 155580, 180), (211.4, 2608.8)),
    ({"task": "poll"}, (60, 60, 16020, 9933, 60), (150.2, 2524.2)),
    ({"task": "poll", "etags": False}, (60, 60, 14700, 174720, 60), (151.5, 2550.3)),
]


@pytest.mark.parametrize(("asked", "counts", "times"), DESIGN, ids=lambda each: str(each)[:60])
def test_each_task_costs_what_its_requests_cost(
    asked: dict[str, Any], counts: tuple[int, ...], times: tuple[float, float]
) -> None:
    for line, expected in zip((LAN, WAN), times, strict=True):
        found = ApiStyles(**asked, **line).run(1).summary()
        names = ["requests", "rounds", "bytes_up", "bytes_down", "queries"]
        assert tuple(found[names]) == counts
        assert round(1000 * found["page_time"], 1) == expected


def test_a_cold_connection_costs_a_handshake_whenever_another_is_opened() -> None:
    page = ApiStyles(batched=False, parallel=6)
    warm, cold = (page.replace(handshakes=number).run(1) for number in (0, 2))
    more = cold.summary()["page_time"] - warm.summary()["page_time"]
    # One connection for the list, and five more for the names.
    assert more == pytest.approx(2 * 2 * page.rtt)
    assert cold.summary()["connections"] == 6
    alone = page.replace(parallel=1)
    first = alone.replace(handshakes=3).run(1).summary()["page_time"]
    assert first - alone.run(1).summary()["page_time"] == pytest.approx(3 * page.rtt)


def test_requests_wait_for_a_connection() -> None:
    result = ApiStyles(batched=False, parallel=6, work=0, query=0, bandwidth=1e12).run(1)
    rows = result.messages
    assert (rows["wait"].iloc[1:] / 0.04).to_numpy() == pytest.approx(np.arange(40) // 6, abs=1e-3)
    assert np.allclose(rows["finished"] - rows["started"], 0.04)
    assert rows["created"].iloc[1:].eq(rows["finished"].iloc[0]).all()
    assert (result.series["busy_consumers"] <= 6).all()


def test_nothing_is_random_and_nothing_is_doubted() -> None:
    page = ApiStyles(orders=200, batched=False)
    one, two = page.run(1), page.run(2)
    assert one.messages.equals(two.messages)
    assert one.doubts() == ()


@settings(max_examples=40, deadline=None)
@given(
    style=st.sampled_from(["rpc", "rest", "graphql"]),
    task=st.sampled_from(["order", "list", "create", "change"]),
    orders=st.integers(1, 30),
    parallel=st.integers(1, 100),
    batched=st.booleans(),
    etags=st.booleans(),
    rtt=st.floats(0, 1),
    handshakes=st.integers(0, 10),
)
def test_whatever_is_asked_the_parts_add_up(**asked: Any) -> None:
    page = ApiStyles(**asked)
    result = page.run(1)
    found = result.summary()
    assert found["requests"] == result.ledger.acked == result.ledger.published
    assert 1 <= found["rounds"] <= found["requests"]
    assert found["queries_in_series"] <= found["queries"]
    assert found["connections"] <= min(page.parallel, found["requests"])
    set_ups = 0 if not page.handshakes else 1 + (found["connections"] > 1)
    expected = found["rounds"] * (page.rtt + page.work) + set_ups * page.handshakes * page.rtt
    expected += (found["bytes_up"] + found["bytes_down"]) / page.bandwidth
    expected += found["queries_in_series"] * page.query
    assert found["page_time"] == pytest.approx(expected) == pytest.approx(result.duration)
    if page.parallel < 100 and not page.handshakes:
        faster = page.replace(parallel=page.parallel + 1).run(1).summary()
        assert faster["page_time"] <= found["page_time"] + 1e-12


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"orders": 0}, "orders must be >= 1, got 0"),
        ({"orders": 501}, "orders must be <= 500, got 501"),
        ({"parallel": 101}, "parallel must be <= 100, got 101"),
        ({"style": "soap"}, "style must be 'rpc', 'rest' or 'graphql', got 'soap'"),
        ({"bandwidth": 0.0}, "bandwidth must be > 0 B/s, got 0"),
        ({"rtt": -1.0}, "rtt must be >= 0 s, got -1"),
        ({"handshakes": 11}, "handshakes must be <= 10, got 11"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ApiStyles(**wrong)


def test_no_process_is_there_for_simpy() -> None:
    with pytest.raises(ValueError, match="engine must be 'auto' or 'vector' for ApiStyles"):
        ApiStyles().run(1, "simpy")
