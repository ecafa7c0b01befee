"""A line that loses requests and replies: what the service did, and what the caller knows of it."""

from __future__ import annotations

from typing import Any

import pytest

from simlib.calls import LossyLine, Outcome, Request, ShopService
from simlib.calls.documents import decode
from simlib.calls.errors import encode
from simlib.calls.sample import NEW_ORDER, sample_shop

NEWEST = Request("GET", "/orders?limit=1")


def booked(keyed: bool, wanted: int = 400, seed: int = 1, **losses: float) -> tuple[int, int]:
    """How many orders there are in the end, and how many requests or replies were lost."""
    service = ShopService(sample_shop())
    line = LossyLine(service, seed=seed, **losses)
    before = service.handle(NEWEST).body
    for number in range(wanted):
        headers = {"content-type": "application/json"}
        if keyed:
            headers["idempotency-key"] = f"order-{number}"
        order = Request("POST", "/orders", encode(NEW_ORDER), headers)
        while not (reply := line.handle(order)).ok:
            assert reply.outcome is Outcome.TIMED_OUT
            assert reply.status is None
    last, first = (int(decode(body)[0]["id"]) for body in (service.handle(NEWEST).body, before))
    return last - first, line.lost


@pytest.mark.parametrize("seed", range(3))
def test_a_lost_reply_is_one_order_too_many_unless_it_has_a_key(seed: int) -> None:
    made, lost = booked(keyed=False, replies=0.1, seed=seed)
    assert lost > 20
    assert made == 400 + lost
    assert booked(keyed=True, replies=0.1, seed=seed) == (400, lost)
    made, lost = booked(keyed=False, requests=0.1, seed=seed)
    assert lost > 20
    assert made == 400


def test_nothing_gets_lost_on_a_good_line_and_nothing_arrives_on_a_dead_one() -> None:
    service = ShopService(sample_shop())
    assert LossyLine(service).handle(NEWEST).ok
    for losses in ({"requests": 1.0}, {"replies": 1.0}):
        assert LossyLine(service, **losses).handle(NEWEST).outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), True, "0.5"])
@pytest.mark.parametrize("name", ["requests", "replies"])
def test_a_part_is_from_nothing_to_all(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number from 0 to 1, got"):
        LossyLine(ShopService(sample_shop()), **{name: wrong})
