"""A description of the service by OpenAPI 3.1, made of the table that requests are answered by.

It is served at ``/openapi.json``. What it can't say, the summaries do: that ``ids`` stands alone,
and that what a document refers to must exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from .documents import COLLECTIONS, ID
from .http import JSON, Call, Route, answer
from .keys import KEY
from .request import Reply

__all__ = ["describe", "route"]

_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["pointer", "detail"],
            },
        },
    },
    "required": ["title", "status", "detail"],
}
_WHY_NOT: Final[dict[str, Any]] = {
    "description": "why not (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}},
}
_SAYS: Final = {
    "etag": "the revision, for If-Match and If-None-Match",
    "location": "the address of the new document",
    "link": "the next page, if there is one",
}


def route(title: str, others: Sequence[Route]) -> Route:
    """The route of the description, which has itself in it."""
    own: list[Route] = []

    def does(call: Call) -> Reply:
        return answer(describe(title, [*others, *own]))

    gives = {"type": "object", "properties": {"openapi": {"type": "string"}}}
    own.append(Route("GET", "/openapi.json", does, "this description", gives=gives))
    return own[0]


def describe(title: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The document.

    Parameters
    ----------
    title : str
        What the service is called.
    routes : sequence of Route
        The table.
    """
    paths: dict[str, dict[str, Any]] = {}
    for each in routes:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, routes)
    schemas = {name: each.document for name, each in COLLECTIONS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": _plain({**schemas, "problem": _PROBLEM}),
            "responses": {"problem": _WHY_NOT},
        },
    }


def _operation(each: Route, routes: Sequence[Route]) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": _id(each), "summary": each.summary}
    parameters = list(_parameters(each))
    if parameters:
        found["parameters"] = parameters
    if each.takes:
        body = _plain(each.body)
        content = {media: {"schema": body} for media in each.takes}
        found["requestBody"] = {"required": True, "content": content}
    replies = {str(status): _success(each, status, routes) for status in each.replies}
    refusals = {str(status): _refusal(each, status) for status in each.refusals}
    found["responses"] = {**replies, **refusals, "default": _ref("responses", "problem")}
    return found


def _id(each: Route) -> str:
    return re.sub(r"\W+", "_", f"{each.method.lower()}{each.path}").strip("_")


def _parameters(each: Route) -> Iterator[dict[str, Any]]:
    if "{id}" in each.path:
        yield {"name": "id", "in": "path", "required": True, "schema": dict(ID)}
    for place, schemas in (
        ("query", each.query),
        ("header", {**each.headers, **({"idempotency-key": KEY} if each.keyed else {})}),
    ):
        for name, schema in schemas.items():
            rest = {key: value for key, value in schema.items() if key != "description"}
            said = {"description": schema["description"]} if "description" in schema else {}
            needed = {"required": True} if name in each.required else {}
            yield {"name": name, "in": place, **said, **needed, "schema": _plain(rest)}


def _success(each: Route, status: int, routes: Sequence[Route]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase.lower()}
    said = {name: {"description": _SAYS[name], "schema": {"type": "string"}} for name in each.says}
    if said:
        found["headers"] = said
    if each.gives is not None and status not in (204, 304):
        found["content"] = {JSON: {"schema": _plain(each.gives)}}
    links = {
        _id(other): {
            "operationId": _id(other),
            "parameters": {
                "path.id": "$response.body#/id",
                **(
                    {"header.if-match": "$response.header.etag"}
                    if "if-match" in other.required
                    else {}
                ),
            },
        }
        for other in routes
        if status == HTTPStatus.CREATED and other.path == f"{each.path}/{{id}}"
    }
    if links:
        found["links"] = links
    return found


def _refusal(each: Route, status: int) -> dict[str, Any]:
    if status not in each.refuses:
        return _ref("responses", "problem")
    other = {JSON: {"schema": _plain(each.refuses[status])}}
    return {**_WHY_NOT, "content": {**_WHY_NOT["content"], **other}}


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _plain(value: Any) -> Any:
    """The same of dicts and lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
