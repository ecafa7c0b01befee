"""HTTP's rules: what a request must look like, and which route answers it (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from .documents import Schema, decode, is_id
from .errors import (
    BadRequestError,
    ContentTooLargeError,
    MethodNotAllowedError,
    NotFoundError,
    PreconditionFailedError,
    UnsupportedMediaTypeError,
    UriTooLongError,
    encode,
)
from .request import Reply, Request
from .session import ANY, Expected, Session

__all__ = [
    "CONDITIONS",
    "JSON",
    "MERGE_PATCH",
    "Call",
    "Route",
    "Router",
    "answer",
    "etag",
    "unchanged",
]

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

LONGEST_TARGET: Final = 8000
"""Characters; RFC 9110 asks for 8,000 at least."""
MOST_PARAMETERS: Final = 50

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")

TAGS: Final[Schema] = MappingProxyType(
    # Of what can be in a header only the letters that all who send one agree on.
    {
        "type": "string",
        "pattern": r'^(\*|"[!#-~]*"( ?, ?"[!#-~]*")*)$',
        "examples": ('"022"', "*"),
    }
)
CONDITIONS: Final = MappingProxyType({"if-match": TAGS, "if-none-match": TAGS})
"""The headers by which a caller says of which revision it speaks."""


def etag(revision: int) -> str:
    """The entity tag of what has a revision: of three digits at least, so heads are of one size."""
    return f'"{revision:03}"'


def answer(
    value: Any = None, status: int = 200, revision: int | None = None, **headers: str
) -> Reply:
    """A reply with a JSON document, or without one."""
    if revision is not None:
        headers["etag"] = etag(revision)
    if value is None:
        return Reply(status=status, headers=headers)
    return Reply(status=status, body=encode(value), headers={"content-type": JSON, **headers})


@dataclass(frozen=True)
class Call:
    """A request that has been read, as its handler gets it."""

    request: Request
    session: Session
    id: int = 0
    """From the path, where the route has one."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """The body's JSON value, where the route takes one."""

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number among the query's parameters.

        Raises
        ------
        BadRequestError
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not (re.fullmatch("[0-9]{1,18}", text) and low <= int(text) <= high):
            raise BadRequestError(f"{name} must be from {low} to {high}, got {text[:50]!r}")
        return int(text)

    def expected(self) -> Expected:
        """What ``If-Match`` and ``If-None-Match`` say of the revision to be changed.

        Raises
        ------
        BadRequestError
            One of them is no list of entity tags.
        """
        match = _tags(self.request, "if-match")
        none_match = _tags(self.request, "if-none-match")
        # Weak tags never match where bytes must be the same (RFC 9110, 8.8.3.2).
        among = None if match is None or "*" in match else _revisions(match)
        if none_match is not None and "*" in none_match:
            return Expected(among, ANY)
        return Expected(among, _revisions([tag.removeprefix("W/") for tag in none_match or ()]))


def _tags(request: Request, name: str) -> list[str] | None:
    text = request.headers.get(name)
    if text is None:
        return None
    text = text.strip(" \t")
    if text == "*":
        return ["*"]
    if not _TAGS.fullmatch(text):
        raise BadRequestError(f'{name} must be * or entity tags such as "007", got {text[:50]!r}')
    return re.findall(_TAG, text)


def _revisions(tags: Sequence[str]) -> frozenset[int]:
    """The revisions whose tags are among these; others' tags match nothing here."""
    digits = (tag[1:-1] for tag in tags if re.fullmatch('"[0-9]{3,18}"', tag))
    return frozenset(int(text) for text in digits if etag(int(text)) == f'"{text}"')


def unchanged(request: Request, reply: Reply) -> Reply:
    """What a read is answered, if only a changed document is wanted.

    Raises
    ------
    PreconditionFailedError
        ``If-Match`` names other tags only.
    BadRequestError
        A header is no list of entity tags.
    """
    match, none_match = _tags(request, "if-match"), _tags(request, "if-none-match")
    tag = reply.headers.get("etag")
    if match is not None and "*" not in match and tag not in match:
        raise PreconditionFailedError("what is here has none of these tags")
    if tag is None or none_match is None:
        return reply
    if "*" in none_match or tag in {other.removeprefix("W/") for other in none_match}:
        return Reply(status=304, headers={"etag": tag})
    return reply


@dataclass(frozen=True)
class Route:
    """One method at one address: a row of the table that the service answers by.

    Parameters
    ----------
    method : str
    path : str
        ``{id}`` stands for the id of a document.
    does : callable
        Call → Reply.
    summary : str
        What it does, for a description of the service.
    writes : bool
        Whether it may change anything.
    keyed : bool
        Whether it heeds an ``Idempotency-Key``.
    query, headers : mapping of str to Schema
        The parameters and the headers that it heeds.
    takes : sequence of str
        Media types of the body it wants; none, if it wants no body.
    fields : mapping of str to Schema
        What the body may say, where it is an object of fields.
    more : bool
        Whether it may say more, which is passed over.
    required : frozenset of str
        Fields of the body, and headers, that must be there.
    replies : sequence of int
        The statuses of success.
    gives : Schema, optional
        What the body of such a reply is.
    says : sequence of str
        Headers of such a reply.
    refuses : mapping of int to Schema
        Refusals that can come as other JSON than a problem, by status.
    """

    method: str
    path: str
    does: Callable[[Call], Reply]
    summary: str
    writes: bool = False
    keyed: bool = False
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    takes: Sequence[str] = ()
    fields: Mapping[str, Schema] = field(default_factory=dict)
    more: bool = False
    required: frozenset[str] = frozenset()
    replies: Sequence[int] = (200,)
    gives: Schema | None = None
    says: Sequence[str] = ()
    refuses: Mapping[int, Schema] = field(default_factory=dict)

    @property
    def body(self) -> Schema:
        """What the body must be, in JSON Schema; an object of fields, where it has some."""
        if not self.fields:
            return {"type": "object"}
        required = [name for name in self.fields if name in self.required]
        return {
            "type": "object",
            "properties": self.fields,
            **({"required": required} if required else {}),
            "additionalProperties": self.more,
        }

    @property
    def refusals(self) -> list[int]:
        """The statuses that a caller must reckon with, but for those that any request can have."""
        found = {400}
        if "{id}" in self.path:
            found.add(404)
        if self.takes:
            found |= {413, 415, 422}
        if self.writes:
            found.add(409)
        if self.headers:
            found.add(412)
        if "if-match" in self.required:
            found.add(428)
        return sorted(found)

    def read(self, request: Request, query: str, largest: int) -> tuple[dict[str, str], Any]:
        """The query's parameters and the body's value.

        Raises
        ------
        BadRequestError, ContentTooLargeError, UnsupportedMediaTypeError
        """
        if len(request.body) > largest:
            raise ContentTooLargeError(
                f"a body may have {largest} bytes, this one has {len(request.body)}"
            )
        parameters = self._parameters(query)
        if not self.takes:
            return parameters, None
        self._check_type(request.headers.get("content-type", ""))
        return parameters, decode(request.body)

    def _parameters(self, query: str) -> dict[str, str]:
        try:
            pairs = parse_qsl(
                query,
                keep_blank_values=True,
                strict_parsing=bool(query),
                errors="strict",
                max_num_fields=MOST_PARAMETERS,
            )
        except ValueError as error:
            raise BadRequestError(f"the query can't be read: {error}") from None
        found = dict(pairs)
        if len(found) < len(pairs):
            raise BadRequestError("the query says the same parameter twice")
        for name in found:
            if name not in self.query:
                known = ", ".join(self.query) or "none"
                raise BadRequestError(f"parameter {name[:50]!r} is unknown; there are: {known}")
        return found

    def _check_type(self, text: str) -> None:
        media, *parameters = (part.strip().lower() for part in text.split(";"))
        charsets = {part.removeprefix("charset=").strip('"') for part in parameters if part}
        if media in self.takes and charsets <= {"utf-8"}:
            return
        accepted = ", ".join(self.takes)
        header = "accept-patch" if self.method == "PATCH" else "accept-post"
        raise UnsupportedMediaTypeError(
            f"the body must be {accepted}, in UTF-8, got {text[:100]!r}",
            {} if self.method == "PUT" else {header: accepted},
        )


class Router:
    """Finds the route of a request.

    Parameters
    ----------
    routes : sequence of Route
        The table; a description of the service is derived from it, too.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            self._by_path.setdefault(route.path, {})[route.method] = route

    def allowed(self, path: str) -> str:
        """The methods that an address knows, as ``Allow`` lists them."""
        methods = self._by_path[path]
        more = {"HEAD"} & {"HEAD" for method in methods if method == "GET"}
        return ", ".join(sorted({*methods, *more, "OPTIONS"}))

    def find(self, request: Request) -> tuple[Route | None, str, int, str]:
        """Route, its path, the id in the path (else 0) and the query; no route for OPTIONS.

        Raises
        ------
        UriTooLongError, BadRequestError, NotFoundError, MethodNotAllowedError
        """
        target = request.target
        if len(target) > LONGEST_TARGET:
            raise UriTooLongError(f"a target may have {LONGEST_TARGET} characters")
        raw, _, query = target.partition("?")
        try:
            segments = [unquote(segment, errors="strict") for segment in raw.split("/")]
        except UnicodeDecodeError:
            raise BadRequestError("the path is not UTF-8") from None
        path, id_ = "/".join(segments), 0
        if len(segments) == 3 and is_id(segments[2]):
            id_ = int(segments[2])
            path = f"/{segments[1]}/{{id}}"
        strange = any(letter in segment for segment in segments for letter in "/{")
        if path not in self._by_path or strange:
            raise NotFoundError(f"there is nothing at {raw[:100]!r}")
        if request.method == "OPTIONS":
            return None, path, id_, query
        method = "GET" if request.method == "HEAD" else request.method
        route = self._by_path[path].get(method)
        if route is None:
            raise MethodNotAllowedError(request.method[:20], raw[:100], self.allowed(path))
        return route, path, id_, query
