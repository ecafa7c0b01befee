"""Five tasks in three styles: the numbers of the table, and the times that follow from them."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from simlib.calls import CUSTOMERS, ORDERS, PRODUCTS, Request, Shop, ShopService
from simlib.calls.errors import encode
from simlib.calls.sample import LISTED, NEW_ORDER, ORDER
from simlib.calls.tasks import TASKS, Conversation, Traffic, table

# Task, style: requests, rounds, bytes up and down, queries, those in series.
EXACT = {
    ("order", "RPC"): (1, 1, 313, 271, 1, 1),
    ("order", "REST"): (3, 2, 727, 1008, 3, 2),
    ("order", "GraphQL"): (1, 1, 407, 290, 3, 2),
    ("list", "RPC"): (1, 1, 320, 2573, 1, 1),
    ("list", "REST in turn"): (41, 41, 9965, 17152, 41, 41),
    ("list", "REST, 6 connections"): (41, 8, 9965, 17152, 41, 8),
    ("list", "REST, HTTP/2"): (41, 2, 9965, 17152, 41, 2),
    ("list", "REST ?ids="): (3, 2, 910, 11040, 3, 2),
    ("list", "GraphQL naive"): (1, 1, 405, 2593, 41, 41),
    ("list", "GraphQL batched"): (1, 1, 405, 2593, 3, 2),
    ("create", "RPC"): (1, 1, 403, 161, 1, 1),
    ("create", "REST"): (1, 1, 394, 325, 1, 1),
    ("create", "GraphQL"): (1, 1, 475, 186, 1, 1),
    ("change", "RPC"): (1, 1, 331, 161, 1, 1),
    ("change", "REST PATCH"): (1, 1, 327, 117, 1, 1),
    ("change", "GraphQL"): (1, 1, 422, 205, 1, 1),
    ("change", "REST GET, then PUT"): (2, 2, 684, 413, 2, 2),
    ("poll", "RPC"): (60, 60, 19200, 154380, 60, 60),
    ("poll", "GraphQL"): (60, 60, 24300, 155580, 180, 120),
    ("poll", "REST, ETag"): (60, 60, 16020, 9933, 60, 60),
    ("poll", "REST, no ETag"): (60, 60, 14700, 174720, 60, 60),
}

# Milliseconds on a LAN (0.5 ms, 1 Gbit/s) and on a WAN (40 ms, 50 Mbit/s).
TIMES = {
    ("order", "RPC"): (2.5, 42.1),
    ("order", "REST"): (5.0, 84.3),
    ("order", "GraphQL"): (3.5, 43.1),
    ("list", "RPC"): (2.5, 42.5),
    ("list", "REST in turn"): (102.7, 1726.3),
    ("list", "REST, 6 connections"): (20.2, 340.3),
    ("list", "REST, HTTP/2"): (5.2, 88.3),
    ("list", "REST ?ids="): (5.1, 85.9),
    ("list", "GraphQL naive"): (42.5, 82.5),
    ("list", "GraphQL batched"): (3.5, 43.5),
}


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, str], Traffic]:
    return table()


def test_the_table_is_as_it_was(measured: dict[tuple[str, str], Traffic]) -> None:
    found = {
        name: (t.requests, t.rounds, t.up, t.down, t.queries.made, t.queries.in_series)
        for name, t in measured.items()
    }
    assert found == EXACT


@pytest.mark.parametrize("name", TIMES)
def test_times_follow_from_it(
    measured: dict[tuple[str, str], Traffic], name: tuple[str, str]
) -> None:
    lan = measured[name].seconds(rtt=0.0005, bandwidth=1e9 / 8)
    wan = measured[name].seconds(rtt=0.040, bandwidth=50e6 / 8)
    assert (round(1000 * lan, 1), round(1000 * wan, 1)) == TIMES[name]


def test_naive_graphql_beats_two_rounds_of_rest_only_over_a_long_line(
    measured: dict[tuple[str, str], Traffic],
) -> None:
    naive, rest = measured["list", "GraphQL naive"], measured["list", "REST, HTTP/2"]
    for rtt, beaten in ((0.0379, True), (0.0381, False)):
        assert (rest.seconds(rtt, inf) < naive.seconds(rtt, inf)) is beaten


def test_sixty_polls_in_kilobytes(measured: dict[tuple[str, str], Traffic]) -> None:
    kilobytes = {
        style: round((t.up + t.down) / 1000)
        for (task, style), t in measured.items()
        if task == "poll"
    }
    assert kilobytes == {"RPC": 174, "GraphQL": 180, "REST, ETag": 26, "REST, no ETag": 189}


def test_a_304_saves_bytes_but_no_round_trips(measured: dict[tuple[str, str], Traffic]) -> None:
    with_tag, without = measured["poll", "REST, ETag"], measured["poll", "REST, no ETag"]
    assert with_tag.rounds == without.rounds == 60
    assert with_tag.queries == without.queries
    assert (with_tag.up + with_tag.down) / (without.up + without.down) < 0.14


@pytest.mark.parametrize(("collection", "size"), [(ORDERS, 134), (CUSTOMERS, 113), (PRODUCTS, 275)])
def test_documents_of_a_kind_are_of_one_size(shop: Shop, collection: Any, size: int) -> None:
    with shop.session() as session:
        documents = session.page(collection, 100).documents
    assert len(documents) >= LISTED
    assert {len(encode(document)) for document in documents} == {size}


def test_listed_orders_are_of_different_customers_and_products(shop: Shop) -> None:
    with shop.session() as session:
        listed = session.page(ORDERS, LISTED).documents
    assert ORDER in {order["id"] for order in listed}
    assert len({order["customer"] for order in listed}) == LISTED
    assert len({order["product"] for order in listed}) == LISTED
    assert len(encode(NEW_ORDER)) == 104


def test_requests_at_once_share_a_round_as_far_as_there_are_connections(
    service: ShopService,
) -> None:
    wanted = [Request("GET", "/orders/1042")] * 7
    for connections, rounds in ((None, 1), (1, 7), (3, 3), (7, 1), (8, 1)):
        caller = Conversation(service, connections)
        assert len(caller.ask(*wanted)) == 7
        assert caller.traffic.rounds == caller.traffic.queries.in_series == rounds
        assert caller.traffic.requests == caller.traffic.queries.made == 7


def test_a_task_that_fails_says_so(service: ShopService) -> None:
    with pytest.raises(RuntimeError, match=r"GET /orders/7: .*there is no 7 among the orders"):
        Conversation(service).ask(Request("GET", "/orders/7"))


def test_a_task_costs_the_same_each_time() -> None:
    task = TASKS["order", "REST"]
    assert task.traffic() == task.traffic()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"rtt": -1.0, "bandwidth": 1.0}, "rtt"),
        ({"rtt": nan, "bandwidth": 1.0}, "rtt"),
        ({"rtt": 0.0, "bandwidth": 0.0}, "bandwidth"),
        ({"rtt": 0.0, "bandwidth": nan}, "bandwidth"),
        ({"rtt": 0.0, "bandwidth": 1.0, "work": inf}, "work"),
        ({"rtt": 0.0, "bandwidth": 1.0, "query": -0.1}, "query"),
    ],
)
def test_times_need_sensible_arguments(arguments: dict[str, float], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be"):
        Traffic().seconds(**arguments)


def test_a_caller_needs_a_connection(service: ShopService) -> None:
    with pytest.raises(ValueError, match="connections must be 1 or more, got 0"):
        Conversation(service, 0)


@pytest.mark.parametrize("listed", [1, 7, 150, 201])
def test_lists_of_other_lengths_are_read_in_pages_of_a_hundred(listed: int) -> None:
    pages = -(-listed // 100)
    expected = {
        "RPC": (pages, pages, pages),
        "REST in turn": (pages + 2 * listed, pages + 2 * listed, pages + 2 * listed),
        "REST, HTTP/2": (pages + 2 * listed, pages + 1, pages + 2 * listed),
        "REST ?ids=": (3 * pages, pages + 1, 3 * pages),
        "GraphQL naive": (pages, pages, pages + 2 * listed),
        "GraphQL batched": (pages, pages, 3 * pages),
    }
    for style, cost in expected.items():
        found = TASKS["list", style].traffic(listed)
        assert (found.requests, found.rounds, found.queries.made) == cost, style


def test_a_conversation_knows_what_each_round_cost() -> None:
    talk = TASKS["list", "REST, 6 connections"].done(listed=10)
    assert [[round_.requests for round_ in rounds] for rounds in talk.asked] == [[1], [6, 6, 6, 2]]
    assert talk.traffic == TASKS["list", "REST, 6 connections"].traffic(10)


@pytest.mark.parametrize("listed", [0, 501])
def test_a_shop_lists_from_one_order_to_five_hundred(listed: int) -> None:
    with pytest.raises(ValueError, match=f"listed must be from 1 to 500, got {listed}"):
        TASKS["list", "RPC"].traffic(listed)
