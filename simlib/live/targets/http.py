"""A service behind a real socket as a target: the shop, asked in REST or in GraphQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...calls import Reply, Request, Service
from ...calls.sample import ORDER, sample_shop
from ..target import Receiver, Sender, Target

__all__ = ["Http"]

QUERY = json.dumps({"query": f'{{ order(id: "{ORDER}") {{ status customer {{ name }} }} }}'})
TIMEOUT = 60.0
"""Seconds after which a call is given up, which is an error."""


@dataclass(frozen=True, kw_only=True)
class Http(Target):
    """Calls over HTTP to the shop, which works on each before it answers.

    The server has a process of its own, with as many threads as there are consumers; the calls are
    made from another one, over connections that are kept.

    Parameters
    ----------
    style : "rest" or "graphql"
        How an order is asked for.
    """

    style: str = "rest"

    calls = True

    @property
    def name(self) -> str:
        return self.style

    def obstacle(self) -> str | None:
        styles = ("rest", "graphql")
        return (
            None if self.style in styles else f"style must be one of {styles}, got {self.style!r}"
        )

    @contextmanager
    def made(self, directory: Path, maxsize: int) -> Iterator[str]:
        from .. import http  # noqa: F401, which says what to install, before anything is started

        yield ""  # Where it is, the process that serves says.

    @contextmanager
    def opened(self, where: str, maxsize: int) -> Iterator[str]:
        yield where

    @contextmanager
    def sender(self, shared: str) -> Iterator[Sender]:
        import requests

        with requests.Session() as session:
            session.trust_env = False  # No proxies: it is this machine.

            def call(number: int, seconds: float) -> None:
                headers = {"x-number": str(number), "x-seconds": repr(seconds)}
                if self.style == "rest":
                    reply = session.get(
                        f"{shared}/orders/{ORDER}", headers=headers, timeout=TIMEOUT
                    )
                else:
                    headers["content-type"] = "application/json"
                    reply = session.post(
                        f"{shared}/graphql", data=QUERY, headers=headers, timeout=TIMEOUT
                    )
                if reply.status_code != 200 or "errors" in reply.json():
                    raise RuntimeError(f"the server answered {reply.status_code}: {reply.text}")

            yield call

    def receiver(self, shared: str) -> AbstractContextManager[Receiver]:
        raise NotImplementedError  # Nobody receives: calls are answered.

    @contextmanager
    def served(self, handle: Callable[[int, float], None], workers: int) -> Iterator[str]:
        from ...calls import ShopService
        from ..http import serve

        with sample_shop() as shop:
            working = _Working(ShopService(shop), handle)
            with serve(working, threads=workers) as server:
                yield server.url


class _Working:
    """A service that works for as long as each request says, and then answers."""

    def __init__(self, service: Service, handle: Callable[[int, float], None]) -> None:
        self._service, self._work = service, handle

    def handle(self, request: Request) -> Reply:
        self._work(int(request.headers["x-number"]), float(request.headers["x-seconds"]))
        return self._service.handle(request)
