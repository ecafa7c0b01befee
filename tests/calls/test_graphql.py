"""GraphQL: chosen fields, N + 1 and batches, and what is refused before it runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from graphql import get_introspection_query

from simlib.calls import Outcome, Reply, Shop, ShopService
from simlib.calls.graphql import DEEPEST, MOST_FIELDS, MOST_TOKENS

Ask = Callable[..., Reply]
NAMES = "{id customer{name} product{name}}"


@pytest.fixture
def query(ask: Ask) -> Ask:
    def query(text: str, **more: Any) -> Reply:
        return ask("POST", "/graphql", {"query": text, **more})

    return query


def data(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["data"]


def errors(reply: Reply) -> list[Any]:
    found: list[Any] = json.loads(reply.body)["errors"]
    return found


def test_the_caller_gets_the_fields_it_asks_for(query: Ask) -> None:
    reply = query("{order(id:1042){quantity customer{name}} gone:order(id:7){id}}")
    assert data(reply) == {
        "order": {"quantity": 1, "customer": {"name": "Alan Turing"}},
        "gone": None,
    }
    assert reply.outcome is Outcome.OK


def test_naive_resolvers_make_n_plus_one_queries_batches_one_for_each_kind(
    ask: Ask, shop: Shop
) -> None:
    services = {batched: ShopService(shop, batched=batched) for batched in (False, True)}
    for n in (1, 2, 20):
        body = {"query": f"{{orders(limit:{n}){NAMES}}}"}
        naive, batched = (ask("POST", "/graphql", body, to=services[way]) for way in (False, True))
        assert naive.body == batched.body
        assert (naive.queries.made, naive.queries.in_series) == (1 + 2 * n, 1 + 2 * n)
        assert (batched.queries.made, batched.queries.in_series) == (3, 2)


def test_each_level_is_one_batch(query: Ask) -> None:
    text = "{orders{customer{orders(limit:3){customer{name} product{orders:name}}}}}"
    reply = query(text)
    assert all(len(order["customer"]["orders"]) == 2 for order in data(reply)["orders"])
    # orders; their customers; these customers' orders; their products, for customers are known
    assert (reply.queries.made, reply.queries.in_series) == (4, 4)


def test_nobody_gets_somebody_elses_customer(query: Ask, ask: Ask) -> None:
    for order in data(query("{orders(limit:40){id customer{id} product{id}}}"))["orders"]:
        document = json.loads(ask("GET", f"/orders/{order['id']}").body)
        assert order["customer"]["id"] == document["customer"]
        assert order["product"]["id"] == document["product"]


def test_a_query_works_where_an_event_loop_runs_already(query: Ask) -> None:
    async def inside() -> Reply:
        return query(f"{{orders{NAMES}}}")

    reply = asyncio.run(inside())
    assert len(data(reply)["orders"]) == 20
    assert reply.queries.made == 3


def test_mutations(query: Ask, ask: Ask) -> None:
    new = {"customer": 101, "product": "2001", "quantity": 2}
    made = data(
        query("mutation($o:NewOrder!){createOrder(order:$o){id status}}", variables={"o": new})
    )
    assert made == {"createOrder": {"id": "1061", "status": "placed"}}
    change = 'mutation{updateOrder(id:1061,change:{status:shipped,note:"Ring."}){status note}}'
    assert data(query(change)) == {"updateOrder": {"status": "shipped", "note": "Ring."}}
    back = "mutation{updateOrder(id:1061,change:{note:null}){note}}"
    assert data(query(back)) == {"updateOrder": {"note": ""}}
    assert data(query("mutation{deleteOrder(id:1061)}")) == {"deleteOrder": "1061"}
    assert ask("GET", "/orders/1061").status == 404


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("mutation{updateOrder(id:7,change:{quantity:2}){id}}", 404),
        ('mutation{updateOrder(id:"x",change:{quantity:2}){id}}', 404),
        ("mutation{updateOrder(id:1042,change:{quantity:0}){id}}", 422),
        ("mutation{createOrder(order:{customer:999,product:2001,quantity:1}){id}}", 422),
        ("mutation{deleteOrder(id:7)}", 404),
        ("{orders(limit:0){id}}", 422),
        ("{orders(offset:-1){id}}", 422),
        ("{order(id:1042){customer{orders(limit:101){id}}}}", 422),
    ],
)
def test_an_error_of_a_resolver_comes_beside_the_data(query: Ask, text: str, status: int) -> None:
    reply = query(text)
    assert (reply.status, reply.outcome) == (200, Outcome.FAILED)
    assert [error["extensions"] for error in errors(reply)] == [{"status": status}]


def test_one_failed_mutation_leaves_the_others_done(query: Ask, ask: Ask) -> None:
    reply = query(
        "mutation{a:updateOrder(id:1042,change:{quantity:5}){id}"
        " b:updateOrder(id:1042,change:{quantity:0}){id}}"
    )
    assert reply.outcome is Outcome.FAILED
    assert json.loads(ask("GET", "/orders/1042").body)["quantity"] == 5


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"query": "{"}, "Syntax Error"),
        ({"query": "{nothing}"}, "Cannot query field 'nothing'"),
        ({"query": "{order{id}}"}, "is required"),
        ({"query": "query($id:ID!){order(id:$id){id}}"}, "Expected a value of non-null type"),
        ({"query": "query a{order(id:1){id}} query b{order(id:1){id}}"}, "Must provide operation"),
        ({"query": "{order(id:1){...f}} fragment f on Order{...f}"}, "itself"),
        ({"query": "subscription{order{id}}"}, "subscription"),
        ({}, "must be an object with a text"),
        ([], "must be an object with a text"),
        ({"query": 1}, "must be an object with a text"),
        ({"query": "{a}", "variables": []}, "variables must be an object"),
        ({"query": "{a}", "operationName": 1}, "operationName must be text"),
    ],
)
def test_what_can_not_run_is_a_400(ask: Ask, body: Any, says: str) -> None:
    reply = ask("POST", "/graphql", body)
    assert (reply.status, reply.outcome) == (400, Outcome.FAILED)
    assert says in reply.body.decode()
    assert reply.queries.made == 0


def nested(levels: int) -> str:
    """Fields within one another, ending in an id."""
    steps = ["order(id:1042)", *(["customer", "orders(limit:1)"] * levels)][: levels - 1]
    return "{" + "{".join(steps) + "{id}" + "}" * len(steps)


def test_depth_is_limited(query: Ask) -> None:
    assert query(nested(DEEPEST)).outcome is Outcome.OK
    reply = query(nested(DEEPEST + 1))
    assert reply.status == 400
    assert errors(reply) == [{"message": "fields may be 10 deep, these are 11"}]
    in_fragments = " ".join(
        f"fragment f{n} on Customer{{orders(limit:1){{customer{{...f{n + 1}}}}}}}" for n in range(5)
    )
    reply = query(f"{{customer(id:1){{...f0}}}} {in_fragments} fragment f5 on Customer{{id}}")
    assert errors(reply) == [{"message": "fields may be 10 deep, these are 12"}]


def test_what_could_answer_too_many_fields_is_refused(query: Ask) -> None:
    body = "{orders(limit:$n){customer{orders(limit:$n){id}}}}"
    within = query(f"query($n:Int!){body}", variables={"n": 49})
    assert within.outcome is Outcome.OK
    for text, more in (
        (f"query($n:Int!){body}", {"variables": {"n": 100}}),
        (f"query($n:Int!=100){body}", {}),
        (body.replace("$n", "100"), {}),
        ("{orders(limit:100){" + " ".join(f"a{n}:id" for n in range(60)) + "}}", {}),
    ):
        reply = query(text, **more)
        assert reply.status == 400
        assert f"an answer may have {MOST_FIELDS} fields" in reply.body.decode()


def test_fragments_that_double_are_counted_without_being_expanded(query: Ask) -> None:
    doubling = " ".join(f"fragment f{n} on Order{{...f{n + 1} ...f{n + 1}}}" for n in range(40))
    reply = query(f"{{order(id:1){{...f0}}}} {doubling} fragment f40 on Order{{id}}")
    assert reply.status == 400
    assert f"this one could have {2**40 + 1}" in reply.body.decode()


@pytest.mark.parametrize(
    "text",
    [
        "{" + " ".join(f"a{n}:order(id:1){{id}}" for n in range(MOST_TOKENS // 10)) + "}",
        "{a" * 400,
        "{a" * 30_000,
        "{order(id:" + "[" * 30_000,
        "#\n" * 20_000,
        "query(" + "$a:[[[[[[[[[[[[" * 500,
    ],
)
def test_long_and_deep_documents_are_refused(query: Ask, text: str) -> None:
    assert query(text).status == 400


def test_the_schema_may_be_asked_but_not_without_end(query: Ask) -> None:
    kinds = {kind["name"] for kind in data(query(get_introspection_query()))["__schema"]["types"]}
    assert {"Order", "Customer", "Product"} <= kinds
    deep = "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}"
    assert query(deep).status == 400
    many = " ".join(f"a{n}:__schema{{types{{name}}}}" for n in range(6))
    assert query(f"{{{many}}}").status == 400


def test_only_post_and_only_json(ask: Ask) -> None:
    assert ask("GET", "/graphql").headers["allow"] == "OPTIONS, POST"
    assert ask("POST", "/graphql", {"query": "{a}"}, {"content-type": "text/plain"}).status == 415


def test_without_graphql_core_the_reply_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['graphql'] = None\n"
        "from simlib.calls import *\n"
        "service = ShopService(Shop())\n"
        "headers = {'content-type': 'application/json'}\n"
        "reply = service.handle(Request('POST', '/graphql', b'{\"query\": \"{a}\"}', headers))\n"
        "print(service.handle(Request('GET', '/orders')).status, reply.status, reply.body.decode())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.startswith("200 500 ")
    assert r"pip install \"simlib[sim]\"" in run.stdout
