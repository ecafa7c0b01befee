"""What a run through a broker comes to: its rows are copies, and its warm-up is of messages."""

from __future__ import annotations

from array import array
from dataclasses import replace
from math import nan

import numpy as np

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..processes import BrokerNode, BrokerPublisher, Environment
from .base import PublishingScenario

__all__ = ["COPIES", "copies_seen"]

COPIES = {
    "dead_lettered": Metric("dead letters", "messages"),
    "expired": Metric("expired", "messages"),
    "duplicates": Metric("delivered in vain", "messages"),
    "confirm_mean": Metric("until it is confirmed, mean", "s"),
    "broker_utilisation": Metric("broker's utilisation", "%"),
}
"""The figures of any broker's run."""


def copies_seen(
    scenario: PublishingScenario, env: Environment, node: BrokerNode, publisher: BrokerPublisher
) -> tuple[Result, dict[str, float]]:
    """The result of a run that is over, and the figures of :data:`COPIES`."""
    ledger = node.ledger()
    everything = scenario.messages or scenario.interarrival.length
    over = publisher.sent == everything and not (publisher.under_way or ledger.unfinished)
    result = scenario.result(env, node.record, ledger, over=over, warmup=0)
    # What was sent again comes behind what was sent after it.
    latest = np.maximum.accumulate(result.labels["message"])
    result = replace(result, warmup=int(np.count_nonzero(latest < scenario.warmup)))
    figures = {
        "dead_lettered": ledger.dead_lettered,
        "expired": ledger.expired,
        "duplicates": ledger.duplicates,
        "confirm_mean": _mean(publisher.confirm_times),
        "broker_utilisation": node.busy / result.duration if result.duration else nan,
    }
    return result, figures


def _mean(times: array[float]) -> float:
    return float(np.mean(times)) if times else nan
