"""REST: what is there has an address, and HTTP's methods say what is done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .documents import CUSTOMERS, ID, ORDERS, PRODUCTS, Collection, Schema, is_id
from .errors import BadRequestError, PreconditionRequiredError
from .http import CONDITIONS, JSON, MERGE_PATCH, Call, Route, answer
from .request import Reply

__all__ = ["LARGEST_PAGE", "USUAL_PAGE", "routes"]

USUAL_PAGE, LARGEST_PAGE = 20, 100

_IDS = rf"^[1-9][0-9]{{0,17}}(,[1-9][0-9]{{0,17}}){{0,{LARGEST_PAGE - 1}}}$"
_LIST: Mapping[str, Schema] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": LARGEST_PAGE,
        "default": USUAL_PAGE,
        "description": "the most documents of a page",
    },
    "offset": {
        "type": "integer",
        "minimum": 0,
        "maximum": 10**18 - 1,
        "description": "how many to leave out; new documents push old ones onto the next page",
    },
    "after": {
        "type": "string",
        "pattern": "^([1-9][0-9]{0,17})?$",
        "description": "only what comes after this id; empty: from the start, and go on by ids; "
        "not beside offset",
    },
    "ids": {
        "type": "string",
        "pattern": _IDS,
        "description": "these documents, in this order, with a comma between; what is missing is "
        "left out; stands alone",
    },
}


def routes() -> list[Route]:
    """The table of all three collections."""
    return [
        route for collection in (ORDERS, CUSTOMERS, PRODUCTS) for route in _routes_of(collection)
    ]


def _routes_of(collection: Collection) -> list[Route]:
    def bound(does: Callable[[Collection, Call], Reply]) -> Callable[[Call], Reply]:
        return lambda call: does(collection, call)

    name, fields = collection.name, dict(collection.fields)
    own: dict[str, Schema] = {"id": {**ID, "readOnly": True}}
    one_of_them = {"$ref": f"#/components/schemas/{name}"}
    many, one = f"/{name}", f"/{name}/{{id}}"
    return [
        Route(
            *("GET", many, bound(_list), f"{name}, the newest first"),
            query=_LIST,
            headers=CONDITIONS,
            replies=(200, 304),
            gives={"type": "array", "items": one_of_them},
            says=("etag", "link"),
        ),
        Route(
            *("POST", many, bound(_create), f"one more of the {name}"),
            writes=True,
            keyed=True,
            takes=(JSON,),
            fields=fields,
            required=collection.required,
            replies=(201,),
            gives=one_of_them,
            says=("etag", "location"),
        ),
        Route(
            *("GET", one, bound(_read), f"one of the {name}"),
            headers=CONDITIONS,
            replies=(200, 304),
            gives=one_of_them,
            says=("etag",),
        ),
        Route(
            *("PUT", one, bound(_replace), f"replace one of the {name}; needs If-Match"),
            writes=True,
            headers=CONDITIONS,
            takes=(JSON,),
            fields=own | fields,
            required=frozenset(fields) | {"if-match"},
            replies=(204,),
            says=("etag",),
        ),
        Route(
            *("PATCH", one, bound(_change), f"change some fields of one of the {name}"),
            writes=True,
            headers=CONDITIONS,
            takes=(MERGE_PATCH, JSON),
            fields=own | dict(collection.patch),
            replies=(204,),
            says=("etag",),
        ),
        Route(
            *("DELETE", one, bound(_delete), f"delete one of the {name}"),
            writes=True,
            headers=CONDITIONS,
            replies=(204,),
        ),
    ]


def _list(collection: Collection, call: Call) -> Reply:
    if "ids" in call.query:
        return _several(collection, call)
    limit = call.number("limit", USUAL_PAGE, 1, LARGEST_PAGE)
    if "after" not in call.query:
        offset = call.number("offset", 0, 0, 10**18 - 1)
        listing = call.session.page(collection, limit, offset)
        rest = f"offset={offset + limit}"
    elif "offset" in call.query:
        raise BadRequestError("offset and after are two ways to page; give one of them")
    else:
        start = call.query["after"]
        if start and not is_id(start):
            raise BadRequestError(f"after must be an id or empty, got {start[:50]!r}")
        listing = call.session.page(collection, limit, after=int(start) if start else 10**18)
        rest = f"after={listing.documents[-1]['id']}" if listing.documents else ""
    reply = answer(listing.documents, revision=listing.revision)
    if not listing.more:
        return reply
    link = f'</{collection.name}?limit={limit}&{rest}>; rel="next"'
    return Reply(status=200, body=reply.body, headers={**reply.headers, "link": link})


def _several(collection: Collection, call: Call) -> Reply:
    if len(call.query) > 1:
        raise BadRequestError("ids stands alone: what is named needs no pages")
    ids = call.query["ids"].split(",")
    if len(ids) > LARGEST_PAGE or not all(is_id(id_) for id_ in ids):
        raise BadRequestError(f"ids must be from 1 to {LARGEST_PAGE} ids with commas between")
    found, revision = call.session.lookup(collection, [int(id_) for id_ in ids])
    return answer([document for document in found if document is not None], revision=revision)


def _create(collection: Collection, call: Call) -> Reply:
    document, revision = call.session.add(collection, collection.new(call.body))
    return answer(document, 201, revision, location=f"/{collection.name}/{document['id']}")


def _read(collection: Collection, call: Call) -> Reply:
    document, revision = call.session.get(collection, call.id)
    return answer(document, revision=revision)


def _replace(collection: Collection, call: Call) -> Reply:
    values = collection.whole(call.body, call.id)
    expected = call.expected()
    if "if-match" not in call.request.headers:
        raise PreconditionRequiredError(
            "a whole document replaces what others may have changed since it was read; send its"
            " ETag as If-Match"
        )
    _, revision = call.session.change(collection, call.id, values, expected)
    return answer(None, 204, revision)


def _change(collection: Collection, call: Call) -> Reply:
    values = collection.changes(call.body, call.id)
    _, revision = call.session.change(collection, call.id, values, call.expected())
    return answer(None, 204, revision)


def _delete(collection: Collection, call: Call) -> Reply:
    call.session.remove(collection, call.id, call.expected())
    return answer(None, 204)
