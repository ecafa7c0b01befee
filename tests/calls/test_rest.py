"""REST by HTTP's rules: what each method answers, and when it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from simlib.calls import Outcome, Reply, Request, ShopService

Ask = Callable[..., Reply]
NEW = {"customer": "101", "product": "2001", "quantity": 3}


def value(reply: Reply) -> Any:
    return json.loads(reply.body)


def test_a_document_is_read_with_its_tag(ask: Ask) -> None:
    reply = ask("GET", "/orders/1042")
    assert (reply.status, reply.outcome) == (200, Outcome.OK)
    assert value(reply) == {
        "id": "1042",
        "customer": "102",
        "product": "2002",
        "quantity": 1,
        "status": "confirmed",
        "note": "Please leave it with the neighbour, thanks.",
    }
    assert reply.headers == {"content-type": "application/json", "etag": '"022"'}


def test_what_is_created_has_an_address(ask: Ask) -> None:
    reply = ask("POST", "/orders", NEW)
    assert reply.status == 201
    assert value(reply) == {"id": "1061", **NEW, "status": "placed", "note": ""}
    read = ask("GET", reply.headers["location"])
    assert (read.body, read.headers["etag"]) == (reply.body, reply.headers["etag"])


def test_what_is_deleted_is_gone_and_its_id_is_never_given_again(ask: Ask) -> None:
    first = ask("POST", "/orders", NEW).headers["location"]
    reply = ask("DELETE", first)
    assert (reply.status, reply.body) == (204, b"")
    assert ask("GET", first).status == ask("DELETE", first).status == 404
    assert ask("POST", "/orders", NEW).headers["location"] != first


def test_patch_changes_some_fields_and_takes_null_as_the_default(ask: Ask) -> None:
    before = value(ask("GET", "/orders/1042"))
    reply = ask("PATCH", "/orders/1042", {"quantity": 7, "note": None})
    assert (reply.status, reply.body) == (204, b"")
    read = ask("GET", "/orders/1042")
    assert value(read) == {**before, "quantity": 7, "note": ""}
    assert read.headers["etag"] == reply.headers["etag"]


def test_an_empty_patch_changes_nothing_not_even_the_tag(ask: Ask) -> None:
    before = ask("GET", "/orders/1042").headers["etag"]
    assert ask("PATCH", "/orders/1042", {}).headers["etag"] == before
    assert ask("GET", "/orders/1042").headers["etag"] == before
    assert ask("PATCH", "/orders/1042", {}, {"if-match": '"999"'}).status == 412
    assert ask("PATCH", "/orders/7", {}).status == 404


def test_put_with_if_match_is_a_412_instead_of_a_lost_update(ask: Ask) -> None:
    mine = ask("GET", "/orders/1042")
    theirs = ask("GET", "/orders/1042")
    put = {"if-match": theirs.headers["etag"]}
    assert ask("PUT", "/orders/1042", {**value(theirs), "quantity": 5}, put).status == 204
    put = {"if-match": mine.headers["etag"]}
    reply = ask("PUT", "/orders/1042", {**value(mine), "note": "Ring twice."}, put)
    assert reply.status == 412
    left = value(ask("GET", "/orders/1042"))
    assert (left["quantity"], left["note"]) == (5, value(mine)["note"])


def test_put_without_if_match_is_refused_but_only_if_its_body_is_right(ask: Ask) -> None:
    whole = value(ask("GET", "/orders/1042"))
    assert ask("PUT", "/orders/1042", whole).status == 428
    assert ask("PUT", "/orders/1042", {**whole, "quantity": 0}).status == 422
    assert ask("PUT", "/orders/1042", {**whole, "quantity": 0}, {"if-match": "x"}).status == 422
    assert ask("PUT", "/orders/1042", whole, {"if-match": "*"}).status == 204
    assert ask("PUT", "/orders/7", {**whole, "id": "7"}, {"if-match": "*"}).status == 404


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": '"022"'}, 204),
        ({"if-match": '"001", "022"'}, 204),
        ({"if-match": "*"}, 204),
        ({"if-match": '"021"'}, 412),
        ({"if-match": 'W/"022"'}, 412),
        ({"if-match": '"22"'}, 412),
        ({"if-match": '"none-of-ours"'}, 412),
        ({"if-match": "022"}, 400),
        ({"if-match": '"022", '}, 400),
        ({"if-match": ""}, 400),
        ({"if-none-match": "*"}, 412),
        ({"if-none-match": '"022"'}, 412),
        ({"if-none-match": 'W/"022"'}, 412),
        ({"if-none-match": '"021"'}, 204),
        ({"if-match": "*", "if-none-match": '"021"'}, 204),
        ({"if-none-match": "everything"}, 400),
    ],
)
def test_conditions_on_changes(ask: Ask, method: str, headers: dict[str, str], status: int) -> None:
    body = {"quantity": 2} if method == "PATCH" else None
    reply = ask(method, "/orders/1042", body, headers)
    assert reply.status == status
    there = ask("GET", "/orders/1042").status
    assert there == (404 if (method, status) == ("DELETE", 204) else 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": '"022"'}, 304),
        ({"if-none-match": 'W/"022"'}, 304),
        ({"if-none-match": '"001","022"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"021"'}, 200),
        ({"if-match": '"021"'}, 412),
        ({"if-match": '"022"'}, 200),
        ({"if-none-match": "022"}, 400),
    ],
)
def test_conditions_on_reads(ask: Ask, headers: dict[str, str], status: int) -> None:
    reply = ask("GET", "/orders/1042", headers=headers)
    assert reply.status == status
    if status == 304:
        assert (reply.body, reply.headers, reply.outcome) == (b"", {"etag": '"022"'}, Outcome.OK)


def test_a_list_has_a_tag_that_changes_with_anything_in_it(ask: Ask) -> None:
    def tag() -> str:
        return ask("GET", "/orders?limit=2&offset=5").headers["etag"]

    tags = [tag()]
    for method, target, body in (
        ("POST", "/orders", NEW),
        ("PATCH", "/orders/1042", {"quantity": 9}),
        ("DELETE", "/orders/1042", None),
    ):
        assert ask(method, target, body).ok
        tags.append(tag())
    assert len(set(tags)) == 4
    assert ask("PATCH", "/customers/101", {"address": ""}).ok
    assert tag() == tags[-1]
    assert ask("GET", "/orders?limit=2&offset=5", headers={"if-none-match": tag()}).status == 304


@pytest.mark.parametrize(
    ("query", "ids", "link"),
    [
        ("limit=2", ["1060", "1059"], "/orders?limit=2&offset=2"),
        ("limit=2&offset=38", ["1022", "1021"], None),
        ("limit=2&offset=37", ["1023", "1022"], "/orders?limit=2&offset=39"),
        ("offset=40", [], None),
        ("after=&limit=1", ["1060"], "/orders?limit=1&after=1060"),
        ("after=1023&limit=1", ["1022"], "/orders?limit=1&after=1022"),
        ("after=1023", ["1022", "1021"], None),
        ("after=1", [], None),
        ("ids=1042", ["1042"], None),
        ("ids=1030,1042,7,1042", ["1030", "1042", "1042"], None),
    ],
)
def test_lists(ask: Ask, query: str, ids: list[str], link: str | None) -> None:
    reply = ask("GET", f"/orders?{query}")
    assert [order["id"] for order in value(reply)] == ids
    assert reply.headers.get("link") == (link and f'<{link}>; rel="next"')
    assert reply.queries.made == 1


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=1.5", "limit=-1", "limit=", "limit=٣", "limit"),
        *("offset=-1", "offset=1e3", "offset=9999999999999999999"),
        *("after=x", "after=0", "after=1&offset=2", "colour=red", "limit=1&limit=2"),
        *("ids=", "ids=1,", "ids=01", "ids=1&limit=2", "ids=" + ",".join(["1"] * 101)),
        *("limit=%ff", "&".join(f"a{n}=1" for n in range(51))),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(ask: Ask, query: str) -> None:
    assert ask("GET", f"/orders?{query}").status == 400


def test_offset_repeats_as_many_as_arrive_between_pages_a_keyset_none(ask: Ask) -> None:
    def next_of(reply: Reply) -> str:
        return reply.headers["link"][1 : reply.headers["link"].index(">")]

    for k in range(5):
        seen = {}
        for start in ("/orders?limit=10", "/orders?limit=10&after="):
            first = ask("GET", start)
            for _ in range(k):
                assert ask("POST", "/orders", NEW).ok
            second = ask("GET", next_of(first))
            ids = [order["id"] for page in (first, second) for order in value(page)]
            seen[start] = len(ids) - len(set(ids))
        assert seen == {"/orders?limit=10": k, "/orders?limit=10&after=": 0}


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/invoices", 404, None),
        ("GET", "/orders/", 404, None),
        ("GET", "/orders/0", 404, None),
        ("GET", "/orders/01042", 404, None),
        ("GET", "/orders/1042/", 404, None),
        ("GET", "/orders/1042/customer", 404, None),
        ("GET", "/orders/9999999999999999999", 404, None),
        ("GET", "/orders/{id}", 404, None),
        ("GET", "/orders/%7Bid%7D", 404, None),
        ("GET", "/rpc%2FlistOrders", 404, None),
        ("GET", "orders", 404, None),
        ("GET", "/orders/%31042", 200, None),
        ("GET", "/%ff", 400, None),
        ("GET", "/" + "x" * 8000, 414, None),
        ("PUT", "/orders", 405, "GET, HEAD, OPTIONS, POST"),
        ("POST", "/orders/1042", 405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("get", "/orders", 405, "GET, HEAD, OPTIONS, POST"),
        ("GET", "/rpc/listOrders", 405, "OPTIONS, POST"),
        ("OPTIONS", "/orders", 204, "GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "/nowhere", 404, None),
    ],
)
def test_addresses_and_methods(
    ask: Ask, method: str, target: str, status: int, allow: str | None
) -> None:
    reply = ask(method, target)
    assert (reply.status, reply.headers.get("allow")) == (status, allow)


def test_head_is_get_without_the_body(ask: Ask) -> None:
    got, head = ask("GET", "/orders/1042"), ask("HEAD", "/orders/1042")
    assert (head.status, head.body) == (200, b"")
    assert head.headers == {**got.headers, "content-length": "134"}
    assert ask("HEAD", "/orders/1042", headers={"if-none-match": '"022"'}).status == 304
    assert ask("HEAD", "/orders/7").status == 404


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=UTF-8", 201),
        ('application/json;charset="utf-8"', 201),
        ("application/json; charset=latin-1", 415),
        ("application/merge-patch+json", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_the_body_must_be_in_a_language_that_is_read(ask: Ask, media: str, status: int) -> None:
    reply = ask("POST", "/orders", NEW, {"content-type": media})
    assert reply.status == status
    assert reply.headers.get("accept-post") == ("application/json" if status == 415 else None)


@pytest.mark.parametrize("media", ["application/merge-patch+json", "application/json"])
def test_a_patch_is_a_merge_patch(ask: Ask, media: str) -> None:
    assert ask("PATCH", "/orders/1042", {"quantity": 2}, {"content-type": media}).status == 204
    refused = ask("PATCH", "/orders/1042", {"quantity": 2}, {"content-type": "text/plain"})
    assert refused.headers["accept-patch"] == "application/merge-patch+json, application/json"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"nothing", b'{"quantity": NaN}', b'{"quantity": -Infinity}', b"\xff"),
        *(b'{"a": 1, "a": 2}', b"[" * 60_000, b"1" * 5000),
    ],
)
def test_what_is_no_json_is_a_400(service: ShopService, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    reply = service.handle(Request("POST", "/orders", body, headers))
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    assert value(reply)["title"] == "Bad Request"


def test_a_body_may_not_be_too_large(shop: Any) -> None:
    service = ShopService(shop, largest=100)
    for size, status in ((100, 415), (101, 413)):
        assert service.handle(Request("POST", "/orders", b"x" * size)).status == status
    with pytest.raises(ValueError, match="largest must be a whole number of bytes from 1 on"):
        ShopService(shop, largest=0)


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"quantity": 0}, "#/quantity", "must be a whole number from 1 to 10000, got 0"),
        ({"quantity": True}, "#/quantity", "must be a whole number"),
        ({"quantity": 1.5}, "#/quantity", "must be a whole number"),
        ({"quantity": "3"}, "#/quantity", "must be a whole number"),
        ({"quantity": None}, "#/quantity", "must be a whole number"),
        ({"customer": 101}, "#/customer", "must be text, got 101"),
        ({"customer": "101\n"}, "#/customer", "must be an id"),
        ({"customer": "999"}, "#/customer", "must be one of the customers, and '999' is not"),
        ({"status": "lost"}, "#/status", "must be one of placed, confirmed, shipped, cancelled"),
        ({"note": "x" * 501}, "#/note", "must have from 0 to 500 characters"),
        ({"note": "\ud800"}, "#/note", "halves of surrogate pairs"),
        ({"id": "1"}, "#/id", "is unknown; there are customer, product"),
        ({"a/b~": 1}, "#/a~1b~0", "is unknown"),
    ],
)
def test_values_that_make_no_sense_are_a_422_that_names_them(
    ask: Ask, change: dict[str, Any], pointer: str, says: str
) -> None:
    reply = ask("POST", "/orders", {**NEW, **change})
    assert reply.status == 422
    (fault,) = value(reply)["errors"]
    assert fault["pointer"] == pointer
    assert says in fault["detail"]


def test_every_fault_is_named(ask: Ask) -> None:
    reply = ask("POST", "/orders", {"quantity": 0, "colour": "red"})
    places = {fault["pointer"] for fault in value(reply)["errors"]}
    assert places == {"#/customer", "#/product", "#/quantity", "#/colour"}
    assert ask("POST", "/orders", [NEW]).status == 422


def test_a_whole_number_may_be_written_with_a_point(ask: Ask) -> None:
    assert value(ask("POST", "/orders", {**NEW, "quantity": 3.0}))["quantity"] == 3
    assert ask("POST", "/orders", {**NEW, "quantity": 1e400}).status in (400, 422)


def test_an_id_never_changes(ask: Ask) -> None:
    assert ask("PATCH", "/orders/1042", {"id": "1042", "quantity": 2}).status == 204
    reply = ask("PATCH", "/orders/1042", {"id": "1043"})
    assert (reply.status, value(reply)["errors"][0]["pointer"]) == (422, "#/id")


def test_what_contradicts_what_is_there_is_a_409(ask: Ask) -> None:
    assert ask("DELETE", "/customers/101").status == 409
    email = value(ask("GET", "/customers/101"))["email"]
    taken = ask("POST", "/customers", {"name": "Another", "email": email})
    assert (taken.status, value(taken)["errors"][0]["pointer"]) == (409, "#/email")
    assert ask("PATCH", "/customers/102", {"email": email}).status == 409
    assert ask("PATCH", "/customers/101", {"email": email}).status == 204


def test_reading_costs_one_query_and_so_does_a_change(ask: Ask) -> None:
    for method, target, body in (
        ("GET", "/orders/1042", None),
        ("GET", "/orders", None),
        ("POST", "/orders", NEW),
        ("PATCH", "/orders/1042", {"quantity": 2}),
        ("DELETE", "/orders/1042", None),
    ):
        reply = ask(method, target, body)
        assert reply.ok
        assert (reply.queries.made, reply.queries.in_series) == (1, 1)
    assert ask("GET", "/nowhere").queries.made == 0
    assert ask("GET", "/orders/7").queries.made == 1


def test_the_table_of_routes_says_what_each_takes_and_gives(service: ShopService) -> None:
    table = {(route.method, route.path): route for route in service.routes}
    assert len(table) == len(service.routes) == 3 * 6 + 4 + 1 + 1
    create = table["POST", "/orders"]
    assert create.required == {"customer", "product", "quantity"}
    assert create.fields["quantity"] == {"type": "integer", "minimum": 1, "maximum": 10_000}
    assert (create.takes, create.replies) == (("application/json",), (201,))
    assert all(route.summary for route in service.routes)
    assert {path for method, path in table if method == "PUT"} == {
        "/orders/{id}",
        "/customers/{id}",
        "/products/{id}",
    }
