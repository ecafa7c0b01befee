"""RPC over HTTP: a procedure for each task, called by name with one object of arguments."""

from __future__ import annotations

from .documents import ID, ORDERS, Schema, checked
from .errors import NotFoundError
from .http import JSON, Call, Route, answer
from .request import Reply
from .rest import LARGEST_PAGE, USUAL_PAGE

__all__ = ["routes"]

_PAGE = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
}
_NAMED: Schema = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
_OVERVIEW: Schema = {
    "type": "object",
    "properties": {
        "id": ID,
        **{name: ORDERS.fields[name] for name in ("quantity", "status")},
        "customer": _NAMED,
        "product": _NAMED,
    },
    "required": ["id", "quantity", "status", "customer", "product"],
}
_DONE: Schema = {"type": "object", "properties": {"id": ID}, "required": ["id"]}
_STATUS = {"id": ID, "status": ORDERS.fields["status"]}


def routes() -> list[Route]:
    """The table of all procedures."""
    return [
        Route(
            *("POST", "/rpc/describeOrder", _describe, "an order with its two names"),
            takes=(JSON,),
            fields={"id": ID},
            required=frozenset(["id"]),
            gives=_OVERVIEW,
        ),
        Route(
            *("POST", "/rpc/listOrders", _list, "the newest orders with their names"),
            takes=(JSON,),
            fields=_PAGE,
            gives={"type": "array", "items": _OVERVIEW},
        ),
        Route(
            *("POST", "/rpc/createOrder", _create, "one more order"),
            writes=True,
            keyed=True,
            takes=(JSON,),
            fields=ORDERS.fields,
            required=ORDERS.required,
            gives=_DONE,
        ),
        Route(
            *("POST", "/rpc/changeStatus", _change_status, "set the status of an order"),
            writes=True,
            keyed=True,
            takes=(JSON,),
            fields=_STATUS,
            required=frozenset(_STATUS),
            gives=_DONE,
        ),
    ]


def _describe(call: Call) -> Reply:
    order = int(checked(call.body, {"id": ID}, frozenset(["id"]))["id"])
    found = call.session.overviews(order=order)
    if not found:
        raise NotFoundError(f"there is no {order} among the orders")
    return answer(found[0])


def _list(call: Call) -> Reply:
    page = checked(call.body, _PAGE)
    return answer(call.session.overviews(page.get("limit", USUAL_PAGE), page.get("offset", 0)))


def _create(call: Call) -> Reply:
    document, _ = call.session.add(ORDERS, ORDERS.new(call.body))
    return answer({"id": document["id"]})


def _change_status(call: Call) -> Reply:
    values = checked(call.body, _STATUS, frozenset(_STATUS))
    document, _ = call.session.change(ORDERS, int(values["id"]), {"status": values["status"]})
    return answer({"id": document["id"]})
