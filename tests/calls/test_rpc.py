"""RPC: procedures by name, one object of arguments, the same documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from simlib.calls import Reply

Ask = Callable[..., Reply]
NEW = {"customer": "101", "product": "2001", "quantity": 3}


def test_an_order_is_described_with_its_names(ask: Ask) -> None:
    reply = ask("POST", "/rpc/describeOrder", {"id": "1042"})
    assert reply.status == 200
    assert json.loads(reply.body) == {
        "id": "1042",
        "quantity": 1,
        "status": "confirmed",
        "customer": {"name": "Alan Turing"},
        "product": {"name": "Mechanical keyboard"},
    }
    assert ask("POST", "/rpc/describeOrder", {"id": "7"}).status == 404


def test_orders_are_listed_newest_first(ask: Ask) -> None:
    page = json.loads(ask("POST", "/rpc/listOrders", {"limit": 2, "offset": 1}).body)
    assert [order["id"] for order in page] == ["1059", "1058"]
    assert len(json.loads(ask("POST", "/rpc/listOrders", {}).body)) == 20


def test_what_one_style_makes_the_others_show(ask: Ask) -> None:
    created = json.loads(ask("POST", "/rpc/createOrder", NEW).body)["id"]
    assert ask("POST", "/rpc/changeStatus", {"id": created, "status": "shipped"}).status == 200
    assert json.loads(ask("GET", f"/orders/{created}").body)["status"] == "shipped"
    query = {"query": f"{{order(id:{created}){{status}}}}"}
    assert json.loads(ask("POST", "/graphql", query).body)["data"] == {
        "order": {"status": "shipped"}
    }


@pytest.mark.parametrize(
    ("procedure", "arguments", "status"),
    [
        ("describeOrder", {}, 422),
        ("describeOrder", {"id": 1042}, 422),
        ("describeOrder", {"id": "1042", "more": 1}, 422),
        ("describeOrder", [], 422),
        ("listOrders", {"limit": 101}, 422),
        ("listOrders", {"offset": -1}, 422),
        ("createOrder", {**NEW, "customer": "999"}, 422),
        ("changeStatus", {"id": "1042", "status": "lost"}, 422),
        ("changeStatus", {"id": "7", "status": "shipped"}, 404),
        ("deleteEverything", {}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    ask: Ask, procedure: str, arguments: Any, status: int
) -> None:
    assert ask("POST", f"/rpc/{procedure}", arguments).status == status
