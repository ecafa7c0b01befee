"""The shop's service: RPC, REST and GraphQL on the same documents, by HTTP's rules."""

from __future__ import annotations

import logging
from dataclasses import replace

from . import graphql, keys, openapi, rest, rpc
from .errors import HttpError, InternalServerError
from .http import Call, Route, Router, unchanged
from .request import Queries, Reply, Request
from .session import Session
from .shop import Shop

__all__ = ["ShopService"]

_log = logging.getLogger(__name__)


class ShopService:
    """Answers requests about orders, customers and products, whatever carries them.

    Parameters
    ----------
    shop : Shop
        The database.
    batched : bool
        Whether GraphQL asks for all customers and all products of an answer at once, or (naive)
        for each by a query of its own.
    largest : int
        The most bytes of a request's body.
    """

    def __init__(self, shop: Shop, batched: bool = True, largest: int = 65_536) -> None:
        if isinstance(largest, bool) or not isinstance(largest, int) or largest < 1:
            raise ValueError(f"largest must be a whole number of bytes from 1 on, got {largest!r}")
        self.shop = shop
        self.largest = largest
        routes = [*rest.routes(), *rpc.routes(), *graphql.routes(batched)]
        self.router = Router([*routes, openapi.route("A shop", routes)])

    @property
    def routes(self) -> tuple[Route, ...]:
        """The table that requests are answered by."""
        return self.router.routes

    def handle(self, request: Request) -> Reply:
        """Answer one request; what goes wrong is in the reply, not raised."""
        sessions: list[Session] = []
        try:
            reply = self._answer(request, sessions)
        except HttpError as error:
            reply = error.reply()
        except Exception:
            _log.exception("%s %s was not answered", request.method, request.target)
            reply = InternalServerError("this is a defect of the service; it was logged").reply()
        if request.method == "HEAD":
            length = str(len(reply.body))
            reply = replace(reply, body=b"", headers={**reply.headers, "content-length": length})
        queries = sessions[0].queries if sessions else Queries()
        return replace(reply, queries=queries)

    def _answer(self, request: Request, sessions: list[Session]) -> Reply:
        route, path, id_, query = self.router.find(request)
        if route is None:
            return Reply(status=204, headers={"allow": self.router.allowed(path)})
        parameters, body = route.read(request, query, self.largest)
        with self.shop.session(route.writes) as session:
            sessions.append(session)  # What was asked before something went wrong counts, too.
            call = Call(request, session, id_, parameters, body)
            if route.keyed:
                return keys.once(session, request, lambda: route.does(call))
            reply = route.does(call)
        return unchanged(request, reply) if route.method == "GET" else reply
