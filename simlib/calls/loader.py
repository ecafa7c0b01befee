"""A data loader: what is asked for one by one in the same turn is fetched together.

The resolvers of twenty orders ask for a customer each and wait. When none of them can go on, all
twenty ids are handed to one *batch function*, which answers in the order of the ids, with None
where there is nothing. An answer in another order, such as the database's, would give each order
somebody else's customer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

__all__ = ["Loader", "Turn"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Turn:
    """Lets loaders fetch when everybody who could ask has asked.

    Parameters
    ----------
    together : callable, optional
        Makes a context around the fetches of one turn, which don't wait for one another.
    """

    def __init__(
        self, together: Callable[[], AbstractContextManager[None]] = lambda: nullcontext()
    ) -> None:
        self._together = together
        self._waiting: list[Loader[Any, Any]] = []

    def wait(self, loader: Loader[Any, Any]) -> None:
        """Let a loader fetch at the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._end)
        self._waiting.append(loader)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        with self._together():
            for loader in waiting:
                loader.fetch()


class Loader(Generic[K, V]):
    """Fetches by batches, each key once.

    Parameters
    ----------
    batch : callable
        Different keys → their values in the same order, None where there is none.
    turn : Turn, optional
        Shared by loaders that fetch at the same time.
    """

    def __init__(
        self, batch: Callable[[list[K]], Sequence[V | None]], turn: Turn | None = None
    ) -> None:
        self._batch = batch
        self._turn = turn or Turn()
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._new: list[K] = []

    def load(self, key: K) -> asyncio.Future[V | None]:
        """The value of a key, once its batch is there; call it inside a running event loop."""
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
            if not self._new:
                self._turn.wait(self)
            self._new.append(key)
        return future

    def fetch(self) -> None:
        """Call the batch function for all keys that wait."""
        keys, self._new = self._new, []
        futures = [self._asked[key] for key in keys]
        try:
            values = self._batch(keys)
            if len(values) != len(keys):
                raise ValueError(
                    f"a batch function must answer each of its {len(keys)} keys, None where there"
                    f" is nothing, got {len(values)} answers"
                )
        except Exception as error:
            for future in futures:
                future.set_exception(error)
            return
        for future, value in zip(futures, values, strict=True):
            if not future.done():
                future.set_result(value)
