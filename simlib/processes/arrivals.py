"""When messages are due: so many of a stream of instants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from ..distributions import Floats

__all__ = ["first"]


def first(messages: int | None, blocks: Iterable[Floats]) -> Iterator[list[float]]:
    """The first instants of a stream that comes in blocks (s), block by block.

    Parameters
    ----------
    messages : int or None
        How many; None: all that there are.
    blocks : iterable of ndarray
        Instants that never decrease, such as ``interarrival.instants(rng)``.
    """
    left = inf if messages is None else messages
    for block in blocks:
        due = block[: int(min(left, len(block)))]
        left -= len(due)
        yield due.tolist()
        if not left:
            return
