"""Five tasks in three styles, really asked of the service: what does each cost on the way?

``table()`` has, for each task and style, how many requests were sent in how many rounds, the bytes
on the wire with heads, and the queries made. ``Traffic.seconds`` turns that into time:

    t = rounds · (rtt + work) + (up + down) / bandwidth + queries in series · query
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from .documents import CUSTOMERS, ORDERS, PRODUCTS, decode
from .errors import encode
from .http import JSON, MERGE_PATCH
from .request import Queries, Reply, Request, Service
from .rest import LARGEST_PAGE
from .sample import LISTED, NEW_ORDER, ORDER, sample_shop
from .service import ShopService
from .wire import reply_bytes, request_bytes

__all__ = ["TASKS", "Conversation", "Task", "Traffic", "table"]

POLLS: Final = 60


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a task costs on the way and at the database.

    Parameters
    ----------
    requests : int
    rounds : int
        How often somebody waited for an answer; requests sent at once share a round.
    up, down : int
        Bytes to the service and back, heads included.
    queries : Queries
        Those in series are the longest of each round, summed.
    """

    requests: int = 0
    rounds: int = 0
    up: int = 0
    down: int = 0
    queries: Queries = field(default_factory=Queries)

    def __add__(self, other: Traffic) -> Traffic:
        """What comes after it included."""
        if not isinstance(other, Traffic):
            return NotImplemented
        made, in_series = (
            getattr(self.queries, name) + getattr(other.queries, name)
            for name in ("made", "in_series")
        )
        return Traffic(
            self.requests + other.requests,
            self.rounds + other.rounds,
            self.up + other.up,
            self.down + other.down,
            Queries(made, in_series),
        )

    def seconds(
        self, rtt: float, bandwidth: float, work: float = 0.001, query: float = 0.001
    ) -> float:
        """How long the task takes on warm connections, if nothing queues.

        Parameters
        ----------
        rtt : float
            Seconds there and back.
        bandwidth : float
            Bytes per second.
        work, query : float
            Seconds that a round and a query take at the service.

        Raises
        ------
        ValueError
        """
        for name, value in (("rtt", rtt), ("work", work), ("query", query)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a number of seconds from 0 on, got {value!r}")
        if not bandwidth > 0:
            raise ValueError(f"bandwidth must be positive (bytes per second), got {bandwidth!r}")
        on_the_way = self.rounds * (rtt + work) + (self.up + self.down) / bandwidth
        return on_the_way + self.queries.in_series * query


class Conversation:
    """A caller that counts what it sends to a service and gets back.

    Parameters
    ----------
    service : Service
    connections : int, optional
        How many requests can be under way at once; any number if not given, as in HTTP/2.
    listed : int
        How many orders it wants to see in a list.
    """

    def __init__(
        self, service: Service, connections: int | None = None, listed: int = LISTED
    ) -> None:
        if connections is not None and connections < 1:
            raise ValueError(f"connections must be 1 or more, got {connections!r}")
        self.service = service
        self.connections = connections
        self.listed = listed
        self.asked: list[list[Traffic]] = []
        """Each time that it asked, the rounds that this took."""

    @property
    def traffic(self) -> Traffic:
        """All that it cost so far."""
        return sum((each for rounds in self.asked for each in rounds), Traffic())

    def ask(self, *requests: Request) -> list[Reply]:
        """Send requests at once, as far as there are connections: their replies.

        Raises
        ------
        RuntimeError
            One wasn't answered as asked; a task that fails costs nothing of interest.
        """
        places = self.connections or len(requests)
        replies: list[Reply] = []
        self.asked.append([])
        for first in range(0, len(requests), places):
            replies += self._round(requests[first : first + places])
        return replies

    def send(self, requests: Sequence[Request]) -> list[Reply]:
        """The replies to requests that are under way at once."""
        return [self.service.handle(request) for request in requests]

    def _round(self, requests: tuple[Request, ...]) -> list[Reply]:
        replies = self.send(requests)
        for request, reply in zip(requests, replies, strict=True):
            if not reply.ok:
                raise RuntimeError(f"{request.method} {request.target}: {reply.body!r}")
        queries = [reply.queries for reply in replies]
        cost = Traffic(
            len(requests),
            1,
            sum(len(request_bytes(request)) for request in requests),
            sum(len(reply_bytes(reply)) for reply in replies),
            Queries(sum(each.made for each in queries), max(each.in_series for each in queries)),
        )
        self.asked[-1].append(cost)
        return replies


def _get(target: str, headers: Mapping[str, str] = MappingProxyType({})) -> Request:
    return Request("GET", target, headers=headers)


def _send(method: str, target: str, value: Any, media: str = JSON) -> Request:
    return Request(method, target, encode(value), {"content-type": media})


def _rpc(procedure: str, **arguments: Any) -> Request:
    return _send("POST", f"/rpc/{procedure}", arguments)


def _graphql(query: str, **variables: Any) -> Request:
    return _send("POST", "/graphql", {"query": query, "variables": variables})


_VIEW = "{id quantity status customer{name} product{name}}"
_DESCRIBE = _rpc("describeOrder", id=ORDER)
_ORDER_QUERY = _graphql(f"query($id:ID!){{order(id:$id){_VIEW}}}", id=ORDER)
_CREATE_QUERY = "mutation($o:NewOrder!){createOrder(order:$o){id}}"
_CHANGE_QUERY = "mutation($id:ID!,$s:Status!){updateOrder(id:$id,change:{status:$s}){id status}}"


_FIRST_PAGE = f"query($n:Int!){{orders(limit:$n){_VIEW}}}"
_NEXT_PAGE = f"query($n:Int!,$k:Int!){{orders(limit:$n,offset:$k){_VIEW}}}"


def _pages(caller: Conversation) -> Iterator[tuple[int, int]]:
    """How long each page of the list is, and how many orders come before it."""
    for offset in range(0, caller.listed, LARGEST_PAGE):
        yield min(LARGEST_PAGE, caller.listed - offset), offset


def _list_rpc(caller: Conversation) -> list[Request]:
    return [_rpc("listOrders", limit=limit, offset=offset) for limit, offset in _pages(caller)]


def _list_rest(caller: Conversation) -> list[Request]:
    return [
        _get(f"/orders?limit={limit}" + (f"&offset={offset}" if offset else ""))
        for limit, offset in _pages(caller)
    ]


def _list_graphql(caller: Conversation) -> list[Request]:
    return [
        _graphql(_NEXT_PAGE, n=limit, k=offset) if offset else _graphql(_FIRST_PAGE, n=limit)
        for limit, offset in _pages(caller)
    ]


def _read_list(caller: Conversation) -> list[Any]:
    """The orders of all pages, which are read in turn."""
    replies = [caller.ask(request)[0] for request in _list_rest(caller)]
    return [order for reply in replies for order in decode(reply.body)]


def _one_by_rest(caller: Conversation) -> None:
    order = decode(caller.ask(_get(f"/orders/{ORDER}"))[0].body)
    caller.ask(_get(f"/customers/{order['customer']}"), _get(f"/products/{order['product']}"))


def _list_by_rest(caller: Conversation) -> None:
    orders = _read_list(caller)
    caller.ask(
        *(_get(f"/{CUSTOMERS.name}/{order['customer']}") for order in orders),
        *(_get(f"/{PRODUCTS.name}/{order['product']}") for order in orders),
    )


def _list_by_ids(caller: Conversation) -> None:
    orders = _read_list(caller)
    pages = [orders[first : first + LARGEST_PAGE] for first in range(0, len(orders), LARGEST_PAGE)]
    caller.ask(
        *(
            _get(f"/{collection}?ids={','.join(order[field] for order in page)}")
            for collection, field in ((CUSTOMERS.name, "customer"), (PRODUCTS.name, "product"))
            for page in pages
        )
    )


def _get_then_put(caller: Conversation) -> None:
    (read,) = caller.ask(_get(f"/orders/{ORDER}"))
    changed = {**decode(read.body), "status": "shipped"}
    headers = {"content-type": JSON, "if-match": read.headers["etag"]}
    caller.ask(Request("PUT", f"/orders/{ORDER}", encode(changed), headers))


def _polls(caller: Conversation, poll: Callable[[], Any]) -> None:
    """Ask sixty times; after half of them somebody else changes an order that is on the list."""
    somebody = Conversation(caller.service, listed=1)
    newest = _read_list(somebody)[0]["id"]
    for number in range(POLLS):
        if number == POLLS // 2:
            somebody.ask(_send("PATCH", f"/orders/{newest}", {"quantity": 2}, MERGE_PATCH))
        poll()


def _polls_with_etag(caller: Conversation) -> None:
    """The list has been read once before, so the tags of its pages are known."""
    before = Conversation(caller.service)
    pages = [each.target for each in _list_rest(caller)]
    tags = {page: before.ask(_get(page))[0].headers["etag"] for page in pages}

    def poll() -> None:
        for page in pages:
            (reply,) = caller.ask(_get(page, {"if-none-match": tags[page]}))
            tags[page] = reply.headers["etag"]

    _polls(caller, poll)


@dataclass(frozen=True)
class Task:
    """A task in one style.

    Parameters
    ----------
    does : callable
        Sends its requests through a Conversation.
    connections : int, optional
        How many the caller has; any number if not given.
    batched : bool
        Whether GraphQL's resolvers go through data loaders.
    """

    does: Callable[[Conversation], Any]
    connections: int | None = None
    batched: bool = True

    def done(self, listed: int = LISTED) -> Conversation:
        """The whole conversation with a service of its own; a list has so many orders."""
        with sample_shop(listed=listed) as shop:
            service = ShopService(shop, batched=self.batched)
            caller = Conversation(service, self.connections, listed)
            self.does(caller)
        return caller

    def traffic(self, listed: int = LISTED) -> Traffic:
        """What it costs; a list has so many orders."""
        return self.done(listed).traffic


def _asking(request: Request) -> Task:
    return Task(lambda caller: caller.ask(request))


Pages = Callable[[Conversation], list[Request]]


def _in_turn(caller: Conversation, pages: Pages) -> None:
    for request in pages(caller):
        caller.ask(request)


def _listing(pages: Pages, batched: bool = True) -> Task:
    return Task(lambda caller: _in_turn(caller, pages), batched=batched)


def _polling(pages: Pages) -> Task:
    return Task(lambda caller: _polls(caller, lambda: _in_turn(caller, pages)))


TASKS: Final[Mapping[tuple[str, str], Task]] = {
    ("order", "RPC"): _asking(_DESCRIBE),
    ("order", "REST"): Task(_one_by_rest),
    ("order", "GraphQL"): _asking(_ORDER_QUERY),
    ("list", "RPC"): _listing(_list_rpc),
    ("list", "REST in turn"): Task(_list_by_rest, connections=1),
    ("list", "REST, 6 connections"): Task(_list_by_rest, connections=6),
    ("list", "REST, HTTP/2"): Task(_list_by_rest),
    ("list", "REST ?ids="): Task(_list_by_ids),
    ("list", "GraphQL naive"): _listing(_list_graphql, batched=False),
    ("list", "GraphQL batched"): _listing(_list_graphql),
    ("create", "RPC"): _asking(_rpc("createOrder", **NEW_ORDER)),
    ("create", "REST"): _asking(_send("POST", f"/{ORDERS.name}", NEW_ORDER)),
    ("create", "GraphQL"): _asking(_graphql(_CREATE_QUERY, o=NEW_ORDER)),
    ("change", "RPC"): _asking(_rpc("changeStatus", id=ORDER, status="shipped")),
    ("change", "REST PATCH"): _asking(
        _send("PATCH", f"/orders/{ORDER}", {"status": "shipped"}, MERGE_PATCH)
    ),
    ("change", "GraphQL"): _asking(_graphql(_CHANGE_QUERY, id=ORDER, s="shipped")),
    ("change", "REST GET, then PUT"): Task(_get_then_put),
    ("poll", "RPC"): _polling(_list_rpc),
    ("poll", "GraphQL"): _polling(_list_graphql),
    ("poll", "REST, ETag"): Task(_polls_with_etag),
    ("poll", "REST, no ETag"): _polling(_list_rest),
}
"""The tasks by name and style: one order with its two names, the twenty newest orders with theirs,
one more order, another status, and sixty looks at the list with one change between them."""


def table() -> dict[tuple[str, str], Traffic]:
    """What each task costs in each style."""
    return {name: task.traffic() for name, task in TASKS.items()}
