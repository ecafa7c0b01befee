"""Those who publish payments, and those who book them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from simlib import Deterministic, Environment, Trace, Uniform
from simlib.processes import BrokerNode, Draws, Mishaps
from simlib.processes.publish_subscribe.bookkeeper import Bookkeeper
from simlib.processes.publish_subscribe.resending import PaymentPublisher
from simlib.stores import Accounts


def payments(env: Environment, node: BrokerNode, times: list[float], **options: Any) -> Any:
    """A publisher of payments that all bring 10."""
    node.broker.declare_queue("payments")
    amounts = Draws(Uniform(low=9.5, high=10.0), env.stream("amounts"))
    return PaymentPublisher(env, node, Trace(times), amounts, keys="payments", **options)


def bodies(node: BrokerNode) -> list[dict[str, int]]:
    """What is ready in the queue."""
    fetched = iter(lambda: node.broker.get("payments"), None)
    return [json.loads(delivery.body) for delivery in fetched]


def test_what_is_not_confirmed_in_time_is_sent_again_under_the_same_order() -> None:
    env = Environment(seed=2)
    node = BrokerNode(env, network=0.1)
    publisher = payments(env, node, [0.0, 1.0], patience=2.0, mishaps=Mishaps(confirm_lost=0.5))
    env.run()
    sent = bodies(node)
    assert {each["order"] for each in sent} == {0, 1}
    assert len(sent) == sum(publisher.copies.values()) > 2
    for order in (0, 1):
        copies = [each["copy"] for each in sent if each["order"] == order]
        assert copies == list(range(1, len(copies) + 1))
    assert {each["amount"] for each in sent} == {10}
    # Rows are in the order in which the queue's messages were stored.
    record = node.record
    late = np.array(record.enqueued[: len(sent)]) - np.array(record.created[: len(sent)])
    assert late == pytest.approx([0.1 + 2.0 * (each["copy"] - 1) for each in sent])
    node.broker.close()


def test_without_confirms_what_is_lost_on_the_way_is_a_lost_copy() -> None:
    env = Environment(seed=1)
    node = BrokerNode(env)
    times = [float(number) for number in range(100)]
    payments(env, node, times, mishaps=Mishaps(publish_lost=0.3))
    env.run()
    ledger = node.ledger()
    assert ledger.published == 100
    assert ledger.lost == len(node.record.lost) == node.missed
    assert 10 < ledger.lost < 50
    assert ledger.ready == len(bodies(node)) == 100 - ledger.lost
    node.broker.close()


def test_a_crash_ends_the_connection_that_there_is() -> None:
    """A worker may crash with a message that came by a connection which is broken already."""
    env = Environment(seed=0)
    node = BrokerNode(env, network=0.005)
    payments(env, node, [0.1 * number for number in range(200)])
    with Accounts(env.clock, window=None) as accounts:
        Bookkeeper(
            env, node, "payments", Deterministic(0.1), accounts,
            prefetch=3, mishaps=Mishaps(delivery_lost=0.2, crash=0.2),
        )  # fmt: skip
        env.run()
        assert node.ledger().unacked == node.ledger().ready == 0
        assert set(accounts.bookings) == set(range(200))
        assert node.broker.queues["payments"].consumers == 1
    node.broker.close()


def test_what_is_sent_on_a_connection_that_is_broken_is_lost_with_auto_ack() -> None:
    env = Environment(seed=0)
    node = BrokerNode(env, network=0.2)
    payments(env, node, [0.05 * number for number in range(200)])
    with Accounts(env.clock, window=None) as accounts:
        Bookkeeper(
            env, node, "payments", Deterministic(0.01), accounts,
            auto_ack=True, mishaps=Mishaps(delivery_lost=0.05),
        )  # fmt: skip
        env.run()
        ledger = node.ledger()
        assert ledger.lost == len(node.record.lost) == 200 - len(accounts.bookings) > 10
        assert ledger.acked == len(accounts.bookings)
    node.broker.close()
