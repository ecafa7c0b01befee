"""Simulated time, and a random stream for everyone who asks by name."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain
from math import inf
from typing import Any, final

import numpy as np
import simpy
from numpy.typing import NDArray
from simpy.events import Event

from ..distributions import Distribution

__all__ = ["Draws", "Environment", "Timer", "samples", "stream"]


class Environment(simpy.Environment):
    """A SimPy environment whose processes draw from named random streams.

    Parameters
    ----------
    seed : int
        Seed of the run, >= 0. Streams are spawned from it by name, so what one process draws does
        not depend on which others there are.
    """

    def __init__(self, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed must be a whole number >= 0, got {seed!r}")
        super().__init__()
        self.seed = int(seed)
        self._names: set[str] = set()

    def clock(self) -> float:
        """Simulated time (s), in the form that a real queue's ``clock`` has."""
        return self._now

    def stream(self, name: str) -> np.random.Generator:
        """The random stream of the process called ``name``; nobody else may have it."""
        if name in self._names:
            raise ValueError(f"the stream {name!r} is taken; processes need names of their own")
        self._names.add(name)
        return stream(self.seed, name)

    def run(self, until: float | Event | None = None) -> Any:
        """Execute events until there are none, until an instant (s), or until an event happens.

        The same as SimPy's, but faster: the loop is inside, and a process that waits for its own
        :class:`Timer` is resumed without a detour.
        """
        if isinstance(until, Event):
            return super().run(until)
        end = inf if until is None else float(until)
        if not end > self._now:
            raise ValueError(f"until must be > now={self._now:g} s, got {until!r}")
        self.advance(end)
        if until is not None:
            self._now = end
        return None

    def advance(self, end: float) -> None:
        """Execute the events before an instant (s); the clock stays at the last of them."""
        queue: list[Any] = self._queue
        while queue and queue[0][0] < end:
            self._now, _, _, event = heappop(queue)
            if isinstance(event, Timer):
                self._resume(event)
                continue
            callbacks = event.callbacks
            event.callbacks = None
            for callback in callbacks:
                callback(event)
            if not event._ok and not event.defused:
                raise event._value

    def step(self) -> None:
        """Execute the next event."""
        queue: list[Any] = self._queue
        if queue and isinstance(queue[0][3], Timer):
            self._now, _, _, timer = heappop(queue)
            self._resume(timer)
        else:
            super().step()

    def _resume(self, timer: Timer) -> None:
        """Let the process go on that waits for its timer."""
        self._active_proc = process = timer.process
        timer.callbacks.clear()
        try:
            awaited: Any = timer.send(timer._value)
        except StopIteration as stop:
            process.succeed(stop.value)
        except Exception as error:
            process.fail(error)
        else:
            if awaited is not timer:
                _wait_for(process, awaited)
        self._active_proc = None


def _wait_for(process: simpy.Process, awaited: Any) -> None:
    """Let a process wait for an ordinary event, as SimPy itself would."""
    if not isinstance(awaited, Event):
        raise RuntimeError(f'Invalid yield value "{awaited}": a process yields events')
    callbacks: list[Any] | None = awaited.callbacks
    if callbacks is None:
        process._resume(awaited)
    else:
        process._target = awaited
        callbacks.append(process._resume)


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream that ``name`` has in a run with this seed."""
    key = np.frombuffer(hashlib.blake2b(name.encode(), digest_size=16).digest(), "<u4")
    sequence = np.random.SeedSequence(seed, spawn_key=tuple(int(word) for word in key))
    return np.random.Generator(np.random.PCG64(sequence))


def samples(durations: Distribution, env: Environment, name: str) -> Iterator[float]:
    """Durations (s) one by one, from the stream of that name."""
    blocks = durations.blocks(env.stream(name))
    return chain.from_iterable(block.tolist() for block in blocks)


@final
class Timer(Event):
    """An event that one process waits for again and again.

    Processes that handle millions of messages need an event for each, and making events is most of
    what such a run costs; a timer is made once. It is set for an exact instant, without the
    rounding of now + (time - now). At equal instants, events of priority 0 come before those of
    priority 1: whoever finishes makes room before the next one arrives.

    A process makes its own timers, and waits for them itself; it cannot be interrupted meanwhile,
    only ended.
    """

    callbacks: list[Any]

    def __init__(self, env: Environment, priority: int) -> None:
        super().__init__(env)
        if env.active_process is None:
            raise RuntimeError("a timer is made by the process that will wait for it")
        self._ok = True
        self._value: Any = None
        self.process = env.active_process
        self.send = self.process._generator.send
        self._priority = priority
        self._schedule: list[Any] = env._queue
        self._next_number = env._eid.__next__

    def at(self, time: float) -> Timer:
        """Set the timer for an instant (s, not in the past); to be yielded at once."""
        heappush(self._schedule, (time, self._priority, self._next_number(), self))
        return self

    def end_process(self) -> None:
        """End the process that waits, wherever it is: it never goes on."""
        self.process._generator.close()
        # What it waits for still comes up in the schedule.
        self.send = lambda _: self

    def fire(self, value: Any = None) -> None:
        """Wake the process that waits, now, with a value."""
        self._value = value
        heappush(self._schedule, (self.env._now, self._priority, self._next_number(), self))


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
