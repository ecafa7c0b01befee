"""Randomness: a stream for everyone who asks by name, and what is drawn from one."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..distributions import BLOCK, Distribution

__all__ = ["Draws", "Streams", "happens", "samples", "stream", "uniforms"]

NEVER: Iterator[bool] = repeat(False)


class Streams(Protocol):
    """Whoever gives out random streams by name, such as an :class:`Environment`."""

    def stream(self, name: str) -> np.random.Generator:
        """The random stream of that name; nobody else may have it."""
        ...


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream that ``name`` has in a run with this seed."""
    key = np.frombuffer(hashlib.blake2b(name.encode(), digest_size=16).digest(), "<u4")
    sequence = np.random.SeedSequence(seed, spawn_key=tuple(int(word) for word in key))
    return np.random.Generator(np.random.PCG64(sequence))


def samples(durations: Distribution, streams: Streams, name: str) -> Iterator[float]:
    """Durations (s) one by one, from the stream of that name."""
    blocks = durations.blocks(streams.stream(name))
    return chain.from_iterable(block.tolist() for block in blocks)


def uniforms(streams: Streams, name: str) -> Iterator[float]:
    """Numbers from 0 to 1 one by one, from the stream of that name."""
    rng = streams.stream(name)
    return chain.from_iterable(rng.random(BLOCK).tolist() for _ in repeat(None))


def happens(streams: Streams, name: str, probability: float) -> Iterator[bool]:
    """Whether it happens, each time anew; what can't happen draws nothing."""
    if not probability:
        return NEVER
    return (number < probability for number in uniforms(streams, name))


class Draws:
    """The i-th draw of a stream, for any i: the work that message i brings, whoever does it.

    Because a message keeps its number, two runs with the same seed give it the same work even when
    they serve it in another order.
    """

    def __init__(self, distribution: Distribution, rng: np.random.Generator) -> None:
        self.values = array("d")
        """What was drawn so far (s); read it directly where speed matters."""
        self._distribution = distribution
        self._blocks: Iterator[NDArray[np.float64]] = distribution.blocks(rng)

    def __getitem__(self, number: int) -> float:
        while number >= len(self.values):
            block = next(self._blocks, None)
            if block is None:
                raise IndexError(
                    f"{self._distribution} has {len(self.values)} values, and message "
                    f"{number + 1} needs one"
                )
            self.values.frombytes(block.tobytes())
        return self.values[number]
