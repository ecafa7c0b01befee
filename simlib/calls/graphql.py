"""GraphQL: the caller says which fields it wants, and resolvers fetch them.

Parser, validation and executor are graphql-core's, imported when the first query comes. The
resolvers of an order's customer and product either make a query each (naive: N + 1), or go
through data loaders that make one for all.

What is refused before it runs: a document of too many tokens, nested too deeply, or that could
answer too many fields, lists counted by their limit. Such a request and one that is not valid is
answered 400; an error of a resolver comes with status 200 beside the data, as is the custom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .documents import CUSTOMERS, ORDERS, PRODUCTS, Collection, Schema, is_id
from .errors import (
    BadRequestError,
    HttpError,
    InternalServerError,
    NotFoundError,
    UnprocessableError,
    encode,
)
from .http import JSON, Call, Route
from .limits import measure
from .loader import Loader, Turn
from .request import Outcome, Reply
from .rest import LARGEST_PAGE, USUAL_PAGE
from .session import Document, Session

if TYPE_CHECKING:
    from graphql import ExecutionResult, GraphQLError, GraphQLSchema
    from graphql.language import DocumentNode

__all__ = ["DEEPEST", "MOST_FIELDS", "MOST_TOKENS", "SCHEMA", "routes"]

MOST_TOKENS: Final = 1000
"""The most tokens of a document."""
DEEPEST: Final = 10
"""The most fields within one another."""
MOST_FIELDS: Final = 5000
"""The most fields that an answer could have."""

SCHEMA: Final = f"""
type Query {{
  order(id: ID!): Order
  orders(limit: Int! = {USUAL_PAGE}, offset: Int! = 0): [Order!]!
  customer(id: ID!): Customer
  product(id: ID!): Product
}}
type Mutation {{
  createOrder(order: NewOrder!): Order!
  updateOrder(id: ID!, change: OrderChange!): Order!
  deleteOrder(id: ID!): ID!
}}
type Order {{
  id: ID!
  customer: Customer!
  product: Product!
  quantity: Int!
  status: Status!
  note: String!
}}
type Customer {{
  id: ID!
  name: String!
  email: String!
  address: String!
  orders(limit: Int! = {USUAL_PAGE}): [Order!]!
}}
type Product {{
  id: ID!
  name: String!
  price: Int!
  description: String!
}}
enum Status {{ placed confirmed shipped cancelled }}
input NewOrder {{ customer: ID! product: ID! quantity: Int! status: Status note: String }}
input OrderChange {{ customer: ID product: ID quantity: Int status: Status note: String }}
"""

_ANSWER: Schema = {
    "type": "object",
    "properties": {
        "data": {"type": ["object", "null"]},
        "errors": {"type": "array", "items": {"type": "object", "required": ["message"]}},
    },
}

T = TypeVar("T")


def routes(batched: bool) -> list[Route]:
    """The table: one address for everything."""

    def does(call: Call) -> Reply:
        return _answer(call, batched)

    # Whether it writes is known only once it is parsed.
    summary = "a query or a mutation, as its text says"
    return [
        Route(
            *("POST", "/graphql", does, summary),
            writes=True,
            keyed=True,
            takes=(JSON,),
            fields={
                "query": {"type": "string"},
                "variables": {"type": ("object", "null")},
                "operationName": {"type": ("string", "null")},
            },
            more=True,
            required=frozenset(["query"]),
            gives=_ANSWER,
            refuses={400: {**_ANSWER, "required": ["errors"]}},
        )
    ]


class _Context:
    """How the resolvers of one request get at documents."""

    def __init__(self, session: Session, batched: bool) -> None:
        self.session = session
        turn = Turn(session.together)
        self._one = {
            collection.name: self._by_id(collection, turn if batched else None)
            for collection in (ORDERS, CUSTOMERS, PRODUCTS)
        }
        self._turn = turn if batched else None
        self._orders: dict[int, Loader[int, list[Document]]] = {}

    def _by_id(self, collection: Collection, turn: Turn | None) -> Callable[[int], Any]:
        def batch(ids: list[int]) -> list[Document | None]:
            return self.session.lookup(collection, ids)[0]

        return Loader(batch, turn).load if turn else lambda id_: batch([id_])[0]

    def one(self, collection: Collection, id_: str) -> Any:
        """A document, or None, or a promise of either."""
        return self._one[collection.name](int(id_)) if is_id(id_) else None

    def orders_of(self, customer: int, limit: int) -> Any:
        """A customer's newest orders, or a promise of them."""

        def batch(customers: list[int]) -> list[list[Document]]:
            return self.session.orders_of(ORDERS, customers, limit)

        if self._turn is None:
            return batch([customer])[0]
        loader = self._orders.setdefault(limit, Loader(batch, self._turn))
        return loader.load(customer)


def _limit(limit: int) -> int:
    if not 1 <= limit <= LARGEST_PAGE:
        raise UnprocessableError(f"limit must be from 1 to {LARGEST_PAGE}, got {limit}")
    return limit


def _resolving_one(collection: Collection) -> Callable[..., Any]:
    return lambda _, info, **arguments: info.context.one(collection, arguments["id"])


def _resolve_orders(_: Any, info: Any, limit: int, offset: int) -> list[Document]:
    if offset < 0:
        raise UnprocessableError(f"offset must not be negative, got {offset}")
    session: Session = info.context.session
    return session.page(ORDERS, _limit(limit), offset).documents


def _resolve_create(_: Any, info: Any, order: dict[str, Any]) -> Document:
    given = {name: value for name, value in order.items() if value is not None}
    session: Session = info.context.session
    return session.add(ORDERS, ORDERS.new(given))[0]


def _order_id(id_: str) -> int:
    if not is_id(id_):
        raise NotFoundError(f"there is no {id_[:50]!r} among the orders")
    return int(id_)


def _resolve_update(_: Any, info: Any, change: dict[str, Any], **arguments: str) -> Document:
    order = _order_id(arguments["id"])
    session: Session = info.context.session
    return session.change(ORDERS, order, ORDERS.changes(change, order))[0]


def _resolve_delete(_: Any, info: Any, **arguments: str) -> str:
    info.context.session.remove(ORDERS, _order_id(arguments["id"]))
    return arguments["id"]


@cache
def _schema() -> GraphQLSchema:
    """The schema with its resolvers; a field without one is the document's own."""
    try:
        from graphql import GraphQLObjectType, build_schema
    except ImportError:
        text = 'GraphQL needs graphql-core: pip install "simlib[sim]"'
        raise InternalServerError(text) from None
    resolvers: Mapping[str, Mapping[str, Callable[..., Any]]] = {
        "Query": {
            "order": _resolving_one(ORDERS),
            "customer": _resolving_one(CUSTOMERS),
            "product": _resolving_one(PRODUCTS),
            "orders": _resolve_orders,
        },
        "Mutation": {
            "createOrder": _resolve_create,
            "updateOrder": _resolve_update,
            "deleteOrder": _resolve_delete,
        },
        "Order": {
            "customer": lambda order, info: info.context.one(CUSTOMERS, order["customer"]),
            "product": lambda order, info: info.context.one(PRODUCTS, order["product"]),
        },
        "Customer": {
            "orders": lambda customer, info, limit: info.context.orders_of(
                int(customer["id"]), _limit(limit)
            ),
        },
    }
    schema = build_schema(SCHEMA)
    for name, fields in resolvers.items():
        kind = schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        for field, resolve in fields.items():
            kind.fields[field].resolve = resolve
    return schema


def _answer(call: Call, batched: bool) -> Reply:
    text, variables, operation = _asked(call.body)
    wrong = _wrong(text, variables)
    if wrong:
        return _refused(wrong)
    result = _run(_parsed(text), variables, operation, _Context(call.session, batched), batched)
    if result.data is None and result.errors and all(not error.path for error in result.errors):
        return _refused([dict(error.formatted) for error in result.errors])
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_formatted(error) for error in result.errors]
    outcome = Outcome.FAILED if result.errors else Outcome.OK
    return Reply(outcome, 200, encode(answer), {"content-type": JSON})


def _asked(body: Any) -> tuple[str, dict[str, Any], str | None]:
    """Text, variables and the operation's name."""
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise BadRequestError('the body must be an object with a text "query"')
    variables, operation = body.get("variables"), body.get("operationName")
    if not isinstance(variables, dict | None):
        raise BadRequestError("variables must be an object")
    if not isinstance(operation, str | None):
        raise BadRequestError("operationName must be text")
    return body["query"], variables or {}, operation


def _refused(errors: list[dict[str, Any]]) -> Reply:
    return Reply(Outcome.FAILED, 400, encode({"errors": errors}), {"content-type": JSON})


def _formatted(error: Any) -> dict[str, Any]:
    """A resolver's error as the caller reads it; a defect is raised instead."""
    cause = error.original_error
    if cause is not None and not isinstance(cause, HttpError | type(error)):
        raise cause
    formatted = dict(error.formatted)
    if isinstance(cause, HttpError):
        formatted["extensions"] = {"status": cause.status}
    return formatted


# A service is asked the same few texts again and again, with other variables.
@lru_cache(maxsize=128)
def _parsed(text: str) -> DocumentNode:
    from graphql import parse

    return parse(text, max_lexical_tokens=MOST_TOKENS, max_comments=MOST_TOKENS)


@lru_cache(maxsize=128)
def _invalid(text: str) -> tuple[GraphQLError, ...]:
    from graphql import validate

    return tuple(validate(_schema(), _parsed(text)))


def _wrong(text: str, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why a text can't be run, or shouldn't; nothing if all is well."""
    _schema()  # says what to install, if it isn't there
    from graphql import GraphQLError

    try:
        depth, fields = measure(_parsed(text), variables)
    except GraphQLError as error:
        return [dict(error.formatted)]
    except RecursionError:
        return [{"message": "the document is nested too deeply"}]
    if depth > DEEPEST:
        return [{"message": f"fields may be {DEEPEST} deep, these are {depth}"}]
    if fields > MOST_FIELDS:
        message = f"an answer may have {MOST_FIELDS} fields, this one could have {fields}"
        return [{"message": message}]
    return [dict(error.formatted) for error in _invalid(text)[:20]]


def _run(
    document: DocumentNode,
    variables: dict[str, Any],
    operation: str | None,
    context: _Context,
    batched: bool,
) -> ExecutionResult:
    from graphql import execute

    def start() -> Any:
        return execute(
            _schema(),
            document,
            context_value=context,
            variable_values=variables,
            operation_name=operation,
        )

    async def waiting() -> Any:
        result = start()
        return await result if isinstance(result, Awaitable) else result

    result: ExecutionResult = _finished(waiting()) if batched else start()
    return result


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in an event loop of its own.

    A thread has one running loop at most. Where there is one already, as in a notebook, another
    thread lends a hand.
    """

    def run() -> T:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(work)
        finally:
            loop.close()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1) as helper:
        return helper.submit(run).result()
