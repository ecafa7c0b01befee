"""The broker on simulated time, held against known answers: see acceptance.py for the rule.

Prefetch over a round trip, partitions that a group shares out, and acks that get lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from acceptance import CASES, REPLICATIONS, tolerances

from simlib import Deterministic, Trace
from simlib.analysis import Result
from simlib.scenarios import PublishSubscribe

Case = dict[str, Any]

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {}
"""Every standard error here is small enough."""


def _prefetch(case: Case) -> dict[str, Any]:
    """A queue that never runs dry, looked at for a minute after the first round trip."""
    p = case["parameters"]
    one_way, service = p["one_way_ms"] / 1000, p["service_ms"] / 1000
    minute = int(61 / service) + 100
    scenario = PublishSubscribe(
        interarrival=Trace(times=[0.0] * minute),
        service=Deterministic(service),
        subscribers=1,
        network=one_way,
        duration=61.0,
    )
    throughput, busy = [], []
    for limit in p["prefetch"]:
        result = scenario.replace(prefetch=limit).run(1)
        finished = result.columns["finished"]
        throughput.append(np.count_nonzero(finished >= 1.0) / 60)
        busy.append(throughput[-1] * service)
    saturated = [
        limit
        for limit in range(20, 31)
        if np.count_nonzero(
            scenario.replace(prefetch=limit, duration=6.0).run(1).columns["finished"] >= 1.0
        )
        >= 5 / service - 1
    ]
    return {
        "throughput_per_s": throughput,
        "utilisation": busy,
        "prefetch_to_saturate": saturated[0],
    }


def _partitions(case: Case) -> dict[str, Any]:
    """As many messages for each partition, and the time until the last one is done."""
    p = case["parameters"]
    group = PublishSubscribe(
        arrangement="group",
        partitions=p["partitions"],
        interarrival=Trace(times=[0.0] * 50 * p["partitions"]),
        service=Deterministic(1 / p["per_consumer_rate"]),
    )
    return {
        "max_throughput_if_load_even": [
            group.replace(subscribers=consumers).run(1).summary()["throughput"]
            for consumers in p["consumers"]
        ]
    }


def _deliveries(case: Case, messages: int) -> PublishSubscribe:
    return PublishSubscribe(
        subscribers=1,
        prefetch=1,
        interarrival=Deterministic(1.0),
        service=Deterministic(0.1),
        messages=messages,
        ack_lost=case["parameters"]["q"],
    )


def _duplicates(case: Case) -> dict[str, Any]:
    """As many messages as the case has, in all replications together twice."""
    scenario = _deliveries(case, 2 * case["parameters"]["messages"] // REPLICATIONS)
    counts = [scenario.run(seed).messages["attempts"] for seed in range(1, REPLICATIONS + 1)]
    return {
        "mean_deliveries": np.array([each.mean() for each in counts]),
        "duplicate_fraction_of_deliveries": np.array([1 - 1 / each.mean() for each in counts]),
        "messages_delivered_more_than_once": np.array([(each > 1).mean() for each in counts]),
    }


def _effects(case: Case) -> dict[str, Any]:
    """An idempotent consumer takes each message for itself once: those that were ever worked on."""
    result: Result = _deliveries(case, case["parameters"]["messages"]).run(1)
    done = result.messages["finished"].notna()
    return {
        "effects_with_idempotent_consumer": int(result.messages["message"][done].nunique()),
        "lost": result.ledger.lost,
    }


EXPRESSED: dict[str, tuple[Callable[[Case], dict[str, Any]], ...]] = {
    "prefetch-rtt": (_prefetch,),
    "competing-consumers-partitions": (_partitions,),
    "at-least-once-duplicates": (_duplicates, _effects),
}


@cache
def _found(case_id: str) -> dict[str, Any]:
    return {
        metric: value
        for experiment in EXPRESSED[case_id]
        for metric, value in experiment(CASES[case_id]).items()
    }


@pytest.mark.parametrize(
    ("case_id", "metric"),
    [(case_id, metric) for case_id in EXPRESSED for metric in CASES[case_id]["expected"]],
)
def test_the_simulation_agrees_with_the_known_answer(case_id: str, metric: str) -> None:
    found, expected = _found(case_id)[metric], CASES[case_id]["expected"][metric]
    if isinstance(found, int):
        assert found == expected
    elif isinstance(found, list):
        relative = CASES[case_id]["tolerance"]
        assert found == pytest.approx(expected, rel=relative)
    else:
        (tolerance,) = tolerances(case_id, metric)
        error = found.std(ddof=1) / np.sqrt(len(found))
        print(f"{found.mean():.6g} ± {error:.2g}, known {expected:.6g}")
        assert abs(found.mean() - expected) <= 4 * error
        assert error <= tolerance / 4
