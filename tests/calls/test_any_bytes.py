"""Whatever arrives, ``handle`` answers: never an exception, never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simlib.calls import Reply, Request, ShopService, reply_bytes
from simlib.calls.sample import sample_shop

# A server hands over bytes as text, letter by letter; some hand over any text at all.
raw = st.binary(max_size=40).map(lambda data: data.decode("latin-1")) | st.text(max_size=40)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
paths = st.sampled_from(
    [
        *("/orders", "/orders/1042", "/customers", "/customers/101", "/products/2001"),
        *("/rpc/listOrders", "/rpc/createOrder", "/graphql", "/"),
    ]
)
parameters = st.builds(
    "{}={}".format,
    st.sampled_from(["limit", "offset", "after", "ids", "%"]),
    st.sampled_from(["1", "20", "", "-1", "1,2", "x", "9" * 30, "%ff", "%", "+"]) | raw,
)
queries = st.lists(parameters | raw, min_size=1, max_size=3).map(
    lambda parts: "?" + "&".join(parts)
)
targets = (
    raw
    | st.builds("{}{}".format, paths, st.just("") | queries)
    | st.builds("{}/{}".format, paths, raw)
)
tags = st.sampled_from(["*", '"022"', 'W/"022", "1"', '"', '"\x00"', ""]) | raw
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            ["application/json", "application/merge-patch+json", ";;;", "application/json;"]
        )
        | raw,
        "if-match": tags,
        "if-none-match": tags,
        "idempotency-key": st.sampled_from(["k", "\x00"]) | raw,
        "content-length": raw,
    },
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["query", "variables", "id", "customer", "limit", "quantity", "note"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
bodies = st.binary(max_size=60) | anything.map(lambda value: json.dumps(value).encode())


@pytest.fixture(scope="module")
def service() -> Iterator[ShopService]:
    with sample_shop() as shop:
        yield ShopService(shop)


def check(reply: Reply, request: Request) -> None:
    assert reply.status is not None
    assert 200 <= reply.status < 500, reply.body
    assert reply.ok == (reply.status < 400) or request.target.startswith("/graphql")
    if reply.body:
        json.loads(reply.body.decode("utf-8"))
        assert "json" in reply.headers["content-type"]
    assert all(text.isascii() and text.isprintable() for text in reply.headers.values())
    reply_bytes(reply)


@settings(max_examples=250, deadline=None)
@given(methods | raw, targets, headers, bodies)
@example("GET", "/orders/\ud800", {}, b"")
@example("GET", "/orders?limit=\ud800", {}, b"")
@example("\ud800", "/orders", {}, b"")
@example("GET", "http://[", {}, b"")
@example("GET", "//[/", {}, b"")
@example("POST", "/orders", {"content-type": "application/json"}, b'{"\\ud800": 1}')
@example("POST", "/graphql", {"content-type": "application/json"}, b'{"query": "{\\ud800}"}')
@example(
    "POST",
    "/graphql",
    {"content-type": "application/json"},
    b'{"query": "query($i:ID!){order(id:$i){id}}", "variables": {"i": "\\ud800"}}',
)
def test_any_request_is_answered(
    service: ShopService, method: str, target: str, headers: dict[str, str], body: bytes
) -> None:
    request = Request(method, target, body, headers)
    check(service.handle(request), request)


TEXTS = st.recursive(
    st.sampled_from(["id", "order(id:1042)", "orders(limit:$n)", "customer", "name", "...f"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: "{" + " ".join(parts) + "}")
        | st.tuples(inner, inner).map(" ".join)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["", "query($n:Int!)", "mutation", "fragment f on Order", "query($n:[Int]=1)"]),
    TEXTS,
    st.none() | st.dictionaries(st.sampled_from(["n", "i"]), anything, max_size=2),
)
def test_any_graphql_is_answered(
    service: ShopService, kind: str, text: str, variables: dict[str, Any] | None
) -> None:
    body = json.dumps({"query": kind + text, "variables": variables}).encode()
    request = Request("POST", "/graphql", body, {"content-type": "application/json"})
    check(service.handle(request), request)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["/orders", "/customers", "/rpc/createOrder", "/rpc/describeOrder"]),
    st.dictionaries(
        st.sampled_from(["customer", "product", "quantity", "status", "note", "name", "id"]),
        st.sampled_from(["101", "2001", 1, 1.0, "placed"]) | anything,
    ),
)
def test_any_json_is_answered(service: ShopService, target: str, value: dict[str, Any]) -> None:
    request = Request(
        "POST", target, json.dumps(value).encode(), {"content-type": "application/json"}
    )
    check(service.handle(request), request)
