"""The shop's database: in a file or in memory, shared by threads, one writer at a time."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from simlib.calls import CUSTOMERS, ORDERS, Outcome, Queries, Reply, Request, Shop, ShopService
from simlib.calls import shop as shop_module
from simlib.calls.errors import NotFoundError
from simlib.calls.sample import sample_shop

Ask = Callable[..., Reply]


def test_a_file_keeps_what_was_committed(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with sample_shop(file) as shop:
        assert ShopService(shop).handle(Request("DELETE", "/orders/1042")).ok
    with Shop(file) as shop, shop.session() as session:
        ids = [order["id"] for order in session.page(ORDERS, 100).documents]
    assert len(ids) == 39
    assert "1042" not in ids


def test_a_session_that_raises_is_undone(shop: Shop) -> None:
    def remove_and_fail() -> None:
        with shop.session(writes=True) as session:
            session.remove(ORDERS, 1042)
            raise RuntimeError("never mind")

    with pytest.raises(RuntimeError, match="never mind"):
        remove_and_fail()
    with shop.session() as session:
        assert session.get(ORDERS, 1042)[1] == 22


def test_threads_share_a_shop_and_no_update_is_lost(ask: Ask) -> None:
    """Eight threads count up one number, each by reading, adding one and PUT with If-Match."""
    refused, rounds = [0] * 8, 15

    def count(thread: int) -> None:
        done = 0
        while done < rounds:
            read = ask("GET", "/orders/1042")
            order = json.loads(read.body)
            order["quantity"] += 1
            reply = ask("PUT", "/orders/1042", order, {"if-match": read.headers["etag"]})
            assert reply.status in (204, 412)
            done += reply.status == 204
            refused[thread] += reply.status == 412

    threads = [threading.Thread(target=count, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert json.loads(ask("GET", "/orders/1042").body)["quantity"] == 1 + 8 * rounds


def test_threads_in_all_styles_at_once(ask: Ask) -> None:
    new = {"customer": "101", "product": "2001", "quantity": 1}
    text = "mutation($o:NewOrder!){createOrder(order:$o){id customer{name}}}"
    ways = [
        ("/orders", new),
        ("/rpc/createOrder", new),
        ("/graphql", {"query": text, "variables": {"o": new}}),
    ]
    replies: list[Reply] = []

    def create(way: int) -> None:
        target, body = ways[way % 3]
        for _ in range(5):
            replies.append(ask("POST", target, body))

    threads = [threading.Thread(target=create, args=(number,), daemon=True) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [reply.outcome for reply in replies] == [Outcome.OK] * 30
    newest = json.loads(ask("GET", "/orders?limit=1").body)[0]["id"]
    assert newest == str(1060 + 30)


def test_while_another_process_writes_the_service_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop_module, "PATIENCE", 0.01)
    file = tmp_path / "shop.db"
    sample_shop(file).close()
    with Shop(file) as shop:
        service = ShopService(shop)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        reply = service.handle(Request("DELETE", "/orders/1042"))
        assert (reply.status, reply.outcome) == (503, Outcome.REFUSED)
        assert reply.headers["retry-after"] == "1"
        assert service.handle(Request("GET", "/orders/1042")).status == 200
        other.execute("ROLLBACK")
        other.close()
        assert service.handle(Request("DELETE", "/orders/1042")).status == 204


def test_a_closed_shop_is_unavailable() -> None:
    shop = sample_shop()
    service = ShopService(shop)
    shop.close()
    shop.close()
    assert service.handle(Request("GET", "/orders")).status == 503
    assert service.handle(Request("GET", "/nowhere")).status == 404


def test_queries_are_counted_and_those_asked_together_are_one_deep(shop: Shop) -> None:
    with shop.session() as session:
        assert session.queries == Queries(0, 0)
        session.get(ORDERS, 1042)
        with session.together():
            session.lookup(CUSTOMERS, [101])
            session.lookup(CUSTOMERS, [102])
        with session.together():
            pass
        with pytest.raises(NotFoundError, match="there is no 7 among the orders"):
            session.get(ORDERS, 7)
        assert session.queries == Queries(made=4, in_series=3)


def test_what_callers_write_is_never_sql(ask: Ask) -> None:
    name = "Robert'); DROP TABLE customers;--"
    made = ask("POST", "/customers", {"name": name, "email": "' OR 1=1 --"})
    assert json.loads(ask("GET", made.headers["location"]).body)["name"] == name
    assert ask("GET", "/orders?after=1;DROP TABLE orders").status == 400
    assert ask("GET", "/orders").status == 200
