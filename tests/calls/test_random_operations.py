"""Random REST requests against a model of a few dicts: statuses and bodies are as it says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simlib.calls import Reply, Request, Shop, ShopService

NAMES = ("customers", "products", "orders")
DEFAULTS: dict[str, dict[str, Any]] = {
    "customers": {"address": ""},
    "products": {"description": ""},
    "orders": {"status": "placed", "note": ""},
}
ids = st.integers(1, 5).map(str)
VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "customers": {
        "name": st.text(min_size=1, max_size=5),
        "email": st.sampled_from(["a@example.org", "b@example.org", "c@example.org"]),
        "address": st.text(max_size=5),
    },
    "products": {
        "name": st.text(min_size=1, max_size=5),
        "price": st.integers(0, 100),
        "description": st.text(max_size=5),
    },
    "orders": {
        "customer": ids,
        "product": ids,
        "quantity": st.integers(1, 9),
        "status": st.sampled_from(["placed", "confirmed", "shipped", "cancelled"]),
        "note": st.text(max_size=5),
    },
}
WRONG: st.SearchStrategy[tuple[str, Any]] = st.sampled_from(
    [("colour", "red"), ("name", ""), ("price", -1), ("quantity", "two"), ("customer", 1)]
)


def bodies(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly all of the fields, sometimes not."""
    whole = st.fixed_dictionaries(VALUES[name])
    return st.one_of(whole, whole, st.fixed_dictionaries({}, optional=VALUES[name]))


collections = st.sampled_from(NAMES)
# Where nothing of a collection can be found, nothing is learned: hence few ids.
conditions = st.sampled_from(["none", "current", "old", "any", "other"])


@dataclass
class Model:
    """What should be there: documents and their tags, by id."""

    documents: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {name: {} for name in NAMES}
    )
    tags: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))

    def conflict(self, name: str, id_: str, values: dict[str, Any]) -> int | None:
        """The status of what contradicts the rest."""
        if name == "customers" and any(
            other != id_ and document["email"] == values.get("email")
            for other, document in self.documents[name].items()
        ):
            return 409
        if name == "orders":
            for what, where in (("customer", "customers"), ("product", "products")):
                if what in values and values[what] not in self.documents[where]:
                    return 422
        return None

    def referred(self, name: str, id_: str) -> bool:
        return name != "orders" and any(
            order[name.removesuffix("s")] == id_ for order in self.documents["orders"].values()
        )


class Rest(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop()
        self.service = ShopService(self.shop)
        self.model = Model()
        self.keys: dict[str, tuple[str, Any, Reply]] = {}

    def teardown(self) -> None:
        self.shop.close()

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        content = b"" if body is None else json.dumps(body).encode()
        return self.service.handle(
            Request(method, target, content, {"content-type": "application/json", **headers})
        )

    def headers(self, name: str, id_: str, condition: str) -> dict[str, str]:
        tags = self.model.tags.get((name, id_), [])
        return {
            "none": {},
            "current": {"if_match": tags[-1] if tags else '"000"'},
            "old": {"if_match": tags[-2] if len(tags) > 1 else '"000"'},
            "any": {"if_match": "*"},
            "other": {"if_none_match": tags[-1] if tags else '"000"'},
        }[condition]

    def holds(self, name: str, id_: str, condition: str) -> bool:
        return condition not in ("old", "other") and id_ in self.model.documents[name]

    @initialize()
    def open(self) -> None:
        for name, body in (
            ("customers", {"name": "A", "email": "a@example.org"}),
            ("products", {"name": "P", "price": 1}),
        ):
            self.created(name, body, self.ask("POST", f"/{name}", body))

    def created(self, name: str, body: dict[str, Any], reply: Reply) -> None:
        id_ = reply.headers["location"].split("/")[-1]
        assert reply.status == 201
        assert int(id_) > self.model.last[name]
        self.model.last[name] = int(id_)
        document = {"id": id_, **DEFAULTS[name], **body}
        assert json.loads(reply.body) == document
        self.model.documents[name][id_] = document
        self.model.tags[name, id_] = [reply.headers["etag"]]

    @rule(data=st.data(), name=collections)
    def create(self, data: st.DataObject, name: str) -> None:
        body = data.draw(bodies(name))
        reply = self.ask("POST", f"/{name}", body)
        complete = VALUES[name].keys() <= body.keys() | DEFAULTS[name].keys()
        refused = self.model.conflict(name, "", body) if complete else 422
        if refused:
            assert reply.status == refused
        else:
            self.created(name, body, reply)

    @rule(data=st.data(), key=st.sampled_from("kl"), name=collections)
    def create_with_a_key(self, data: st.DataObject, key: str, name: str) -> None:
        known = self.keys.get(key)
        if known and data.draw(st.booleans()):
            name, body, first = known
            reply = self.ask("POST", f"/{name}", body, idempotency_key=key)
            if first.headers["location"].split("/")[-1] in self.model.documents[name]:
                assert (reply.status, reply.body) == (201, first.body)
            else:
                assert reply.status == 409
            return
        body = data.draw(bodies(name))
        reply = self.ask("POST", f"/{name}", body, idempotency_key=key)
        if known and known[:2] != (name, body):
            assert reply.status == 422
        elif reply.status == 201 and not known:
            self.keys[key] = (name, body, reply)
            self.created(name, body, reply)

    @rule(name=collections, id_=ids)
    def read(self, name: str, id_: str) -> None:
        reply = self.ask("GET", f"/{name}/{id_}")
        document = self.model.documents[name].get(id_)
        assert reply.status == (404 if document is None else 200)
        if document is None:
            return
        assert json.loads(reply.body) == document
        tag = reply.headers["etag"]
        assert tag == self.model.tags[name, id_][-1]
        assert self.ask("GET", f"/{name}/{id_}", if_none_match=tag).status == 304
        old = self.model.tags[name, id_][:-1]
        if old:
            tags = ", ".join(old[-3:])
            assert self.ask("GET", f"/{name}/{id_}", if_none_match=tags).status == 200

    @rule(data=st.data(), name=collections, id_=ids, condition=conditions)
    def replace(self, data: st.DataObject, name: str, id_: str, condition: str) -> None:
        body = data.draw(bodies(name))
        reply = self.ask("PUT", f"/{name}/{id_}", body, **self.headers(name, id_, condition))
        if VALUES[name].keys() > body.keys():
            assert reply.status == 422
        elif condition in ("none", "other"):
            assert reply.status == 428
        else:
            self.changed(name, id_, body, condition, reply)

    @rule(data=st.data(), name=collections, id_=ids, condition=conditions)
    def patch(self, data: st.DataObject, name: str, id_: str, condition: str) -> None:
        body = data.draw(st.fixed_dictionaries({}, optional=VALUES[name]))
        reply = self.ask("PATCH", f"/{name}/{id_}", body, **self.headers(name, id_, condition))
        self.changed(name, id_, body, condition, reply)

    def changed(
        self, name: str, id_: str, body: dict[str, Any], condition: str, reply: Reply
    ) -> None:
        if id_ not in self.model.documents[name]:
            assert reply.status == 404
        elif not self.holds(name, id_, condition):
            assert reply.status == 412
        elif refused := self.model.conflict(name, id_, body):
            assert reply.status == refused
        else:
            assert (reply.status, reply.body) == (204, b"")
            self.model.documents[name][id_].update(body)
            tags = self.model.tags[name, id_]
            assert (reply.headers["etag"] in tags) == (not body)
            if body:
                tags.append(reply.headers["etag"])

    @rule(name=collections, id_=ids, condition=conditions)
    def delete(self, name: str, id_: str, condition: str) -> None:
        reply = self.ask("DELETE", f"/{name}/{id_}", **self.headers(name, id_, condition))
        if id_ not in self.model.documents[name]:
            assert reply.status == 404
        elif not self.holds(name, id_, condition):
            assert reply.status == 412
        elif self.model.referred(name, id_):
            assert reply.status == 409
        else:
            assert reply.status == 204
            del self.model.documents[name][id_]

    @rule(data=st.data(), name=collections, id_=ids, wrong=WRONG)
    def send_nonsense(
        self, data: st.DataObject, name: str, id_: str, wrong: tuple[str, Any]
    ) -> None:
        where, value = wrong
        if where in VALUES[name] or where == "colour":
            body = {**data.draw(bodies(name)), where: value}
            assert self.ask("POST", f"/{name}", body).status == 422
            assert self.ask("PATCH", f"/{name}/{id_}", body).status == 422
            assert self.ask("PUT", f"/{name}/{id_}", body, if_match="*").status == 422

    @rule(name=collections, limit=st.integers(1, 4), by_key=st.booleans())
    def turn_the_pages(self, name: str, limit: int, by_key: bool) -> None:
        target = f"/{name}?limit={limit}" + ("&after=" if by_key else "")
        seen = []
        while True:
            reply = self.ask("GET", target)
            assert reply.status == 200
            seen.append(json.loads(reply.body))
            link = reply.headers.get("link")
            if link is None:
                break
            assert len(seen[-1]) == limit
            target = link[1 : link.index(">")]
        flat = [document for page in seen for document in page]
        newest = sorted(self.model.documents[name], key=int, reverse=True)
        assert flat == [self.model.documents[name][id_] for id_ in newest]

    @rule(name=collections, wanted=st.lists(ids, min_size=1, max_size=4))
    def read_several(self, name: str, wanted: list[str]) -> None:
        reply = self.ask("GET", f"/{name}?ids={','.join(wanted)}")
        there = self.model.documents[name]
        assert json.loads(reply.body) == [there[id_] for id_ in wanted if id_ in there]

    @invariant()
    def nothing_else_is_there(self) -> None:
        for name in NAMES:
            found = json.loads(self.ask("GET", f"/{name}?limit=100").body)
            assert {document["id"] for document in found} == self.model.documents[name].keys()


TestRest = Rest.TestCase
TestRest.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
