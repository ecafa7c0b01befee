"""Idempotency keys, and what lost replies do without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib.calls import Outcome, Reply, Request, Service, Shop, ShopService
from simlib.calls.keys import LONGEST
from simlib.calls.sample import sample_shop

Ask = Callable[..., Reply]
NEW = {"customer": "101", "product": "2001", "quantity": 3}
RPC = ("/rpc/createOrder", NEW)
REST = ("/orders", NEW)
QUERY = "mutation($o:NewOrder!){createOrder(order:$o){id}}"
GRAPHQL = ("/graphql", {"query": QUERY, "variables": {"o": NEW}})
STYLES = pytest.mark.parametrize(("target", "body"), [RPC, REST, GRAPHQL])


def orders(service: Service) -> int:
    reply = service.handle(Request("GET", "/orders?limit=100"))
    return len(json.loads(reply.body))


def create(target: str, body: Any, key: str | None = None) -> Request:
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["idempotency-key"] = key
    return Request("POST", target, json.dumps(body).encode(), headers)


@dataclass
class Lossy:
    """A line to a service that loses what it is told to: one letter for each request.

    ``.`` nothing, ``>`` the request, ``<`` the reply.
    """

    service: Service
    pattern: str
    sent: int = 0

    def handle(self, request: Request) -> Reply:
        fate = self.pattern[self.sent] if self.sent < len(self.pattern) else "."
        self.sent += 1
        if fate == ">":
            return Reply(Outcome.TIMED_OUT)
        reply = self.service.handle(request)
        return Reply(Outcome.TIMED_OUT) if fate == "<" else reply


def insist(line: Lossy, request: Request) -> Reply:
    """Sends a request until it is answered; whoever made it made its key, once."""
    while True:
        reply = line.handle(request)
        if reply.outcome is not Outcome.TIMED_OUT:
            return reply


@STYLES
@settings(max_examples=30)
@given(pattern=st.text("<>.", max_size=12))
def test_lost_replies_make_extra_orders_unless_there_is_a_key(
    target: str, body: Any, pattern: str
) -> None:
    for key, made in ((None, 1 + pattern.partition(".")[0].count("<")), ("k", 1)):
        with sample_shop() as shop:
            service = ShopService(shop)
            before = orders(service)
            assert insist(Lossy(service, pattern), create(target, body, key)).ok
            assert orders(service) - before == made


def test_of_two_percent_lost_replies_come_two_percent_more_orders() -> None:
    """Every fiftieth reply is lost, the reply to a retry among them: 1/(1 − p) orders each."""
    with sample_shop() as shop:
        service = ShopService(shop)
        line = Lossy(service, ("<" + "." * 49) * 10)
        request = create("/orders", NEW)
        for _ in range(490):
            insist(line, request)
        page = service.handle(Request("GET", "/orders?limit=1"))
        made = int(json.loads(page.body)[0]["id"]) - 1060
    assert (made, line.sent) == (500, 500)
    assert made / 490 == 1 / (1 - 0.02)


def test_a_key_made_inside_the_retry_loop_is_none(service: ShopService) -> None:
    before = orders(service)
    line = Lossy(service, "<<.")
    for attempt in range(3):
        line.handle(create("/orders", NEW, f"made for attempt {attempt}"))
    assert orders(service) - before == 3


@STYLES
def test_the_same_key_gets_the_same_answer(service: ShopService, target: str, body: Any) -> None:
    first = service.handle(create(target, body, "k"))
    again = service.handle(create(target, body, "k"))
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers == {**first.headers, "idempotent-replayed": "true"}
    other = service.handle(create(target, body, "another"))
    assert other.body != first.body


@STYLES
def test_the_same_key_with_another_body_is_a_422(
    service: ShopService, target: str, body: Any
) -> None:
    assert service.handle(create(target, body, "k")).ok
    changed = json.loads(json.dumps(body).replace('"quantity": 3', '"quantity": 4'))
    before = orders(service)
    for request in (create(target, changed, "k"), create(target + "?", body, "k")):
        assert service.handle(request).status == 422
    assert orders(service) == before


@STYLES
def test_what_was_made_and_deleted_since_is_not_said_to_exist(
    service: ShopService, ask: Ask, target: str, body: Any
) -> None:
    assert service.handle(create(target, body, "k")).ok
    assert ask("DELETE", "/orders/1061").ok
    reply = service.handle(create(target, body, "k"))
    assert reply.status == 409
    assert "1061 of the orders was created for this Idempotency-Key" in reply.body.decode()


@STYLES
def test_a_refused_request_leaves_no_key(service: ShopService, target: str, body: Any) -> None:
    wrong = json.loads(json.dumps(body).replace('"101"', '"999"'))
    assert not service.handle(create(target, wrong, "k")).ok
    assert service.handle(create(target, body, "k")).ok


def test_effect_and_key_are_kept_together_or_not_at_all(shop: Shop, service: ShopService) -> None:
    """The table of keys is gone, so the answer can't be kept: then there is no order either."""
    with shop.session(writes=True) as session:
        session.run(
            "CREATE TRIGGER full BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    before = orders(service)
    assert service.handle(create("/orders", NEW, "k")).status == 500
    assert orders(service) == before
    assert service.handle(create("/orders", NEW)).status == 201


def test_a_key_outlives_the_service(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with sample_shop(file) as shop:
        first = ShopService(shop).handle(create("/orders", NEW, "k"))
    with Shop(file) as shop:
        service = ShopService(shop)
        before = orders(service)
        assert service.handle(create("/orders", NEW, "k")).body == first.body
        assert orders(service) == before


@pytest.mark.parametrize("key", ["", "k" * (LONGEST + 1), "a\nb", "schlüssel", "\x00"])
def test_a_key_that_is_none_is_refused(service: ShopService, key: str) -> None:
    assert service.handle(create("/orders", NEW, key)).status == 400


def test_a_key_costs_two_queries_and_saves_the_effect(service: ShopService) -> None:
    made = [service.handle(create("/orders", NEW, "k")).queries.made for _ in range(2)]
    assert made == [3, 2]
