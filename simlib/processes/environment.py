"""Simulated time, and the timers that processes wait with."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import Any, final

import numpy as np
import simpy
from simpy.events import Event

from .draws import stream

__all__ = ["Environment", "Timer"]


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
        self._stale = 0
        """How many deadlines in the schedule no longer count."""

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
        pop, timer_type = heappop, Timer
        while queue and queue[0][0] < end:
            time, _, number, event = pop(queue)
            if type(event) is timer_type:
                # The same as `_resume`, without a call for each event.
                self._now = time
                self._active_proc = process = event.process
                if event.callbacks:
                    event.callbacks.clear()
                try:
                    awaited = event.send(event._value)
                except StopIteration as stop:
                    process.succeed(stop.value)
                except Exception as error:
                    process.fail(error)
                else:
                    if awaited is not event:
                        _wait_for(process, awaited)
                self._active_proc = None
                continue
            if isinstance(event, _Deadline):
                if event.number == number:
                    self._now = time
                    event.pass_by(self)
                else:
                    self._stale -= 1
                continue
            self._now = time
            callbacks = event.callbacks
            event.callbacks = None
            for callback in callbacks:
                callback(event)
            if not event._ok and not event.defused:
                raise event._value

    def step(self) -> None:
        """Execute the next event."""
        queue: list[Any] = self._queue
        self._drop_stale()
        if queue and isinstance(queue[0][3], Timer):
            self._now, _, _, timer = heappop(queue)
            self._resume(timer)
        elif queue and isinstance(queue[0][3], _Deadline):
            self._now, _, _, deadline = heappop(queue)
            deadline.pass_by(self)
        else:
            super().step()

    def peek(self) -> float:
        """When the next event is (s); infinite if there is none."""
        self._drop_stale()
        return super().peek()

    def _drop_stale(self) -> None:
        """Take deadlines that no longer count off the top of the schedule."""
        queue: list[Any] = self._queue
        while queue and isinstance(queue[0][3], _Deadline) and queue[0][3].number != queue[0][2]:
            heappop(queue)
            self._stale -= 1

    def _forget_deadline(self) -> None:
        """Count a deadline that no longer counts; sweep the schedule when most of it is those."""
        self._stale += 1
        queue: list[Any] = self._queue
        if self._stale > 1_000 and 2 * self._stale > len(queue):
            # In place: whoever executes the events has the list in hand.
            queue[:] = [
                entry
                for entry in queue
                if not isinstance(entry[3], _Deadline) or entry[3].number == entry[2]
            ]
            heapify(queue)
            self._stale = 0

    def _resume(self, timer: Timer) -> None:
        """Let the process go on that waits for its timer."""
        self._active_proc = process = timer.process
        if timer.callbacks:
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


@final
class Timer(Event):
    """An event that one process waits for again and again.

    Processes that handle millions of messages need an event for each, and making events is most of
    what such a run costs; a timer is made once. It is set for an exact instant, without the
    rounding of now + (time - now). At equal instants, events of priority 0 come before those of
    priority 1: whoever finishes makes room before the next one arrives.

    A process makes its own timers, and waits for them itself; it cannot be interrupted meanwhile,
    only ended. There are three ways to wait, each to be yielded at once:

    - ``yield timer.at(time)``: for an instant, and nobody may fire the timer before;
    - ``yield timer``: until somebody fires it;
    - ``yield timer.until(deadline)``: for whichever comes first, the fire or the deadline.
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
        self._deadline: _Deadline | None = None
        self._forget_deadline = env._forget_deadline

    def at(self, time: float) -> Timer:
        """Set the timer for an instant (s, not in the past); to be yielded at once."""
        heappush(self._schedule, (time, self._priority, self._next_number(), self))
        return self

    def until(self, deadline: float, otherwise: Any = None) -> Timer:
        """Wait to be fired, but not beyond an instant (s, not in the past); to be yielded at once.

        Gives what the timer is fired with, or ``otherwise`` at the deadline. A deadline comes after
        everything else of its instant, so what fires the timer at that very instant is in time.
        """
        mine = self._deadline
        if mine is None:
            mine = self._deadline = _Deadline(self)
        mine.otherwise = otherwise
        mine.number = number = self._next_number()
        heappush(self._schedule, (deadline, _AFTER_ALL_ELSE, number, mine))
        return self

    def cancel(self) -> None:
        """The deadline, if there is one, counts no more: only a fire wakes the process."""
        if self._deadline is not None and self._deadline.number >= 0:
            self._deadline.number = -1
            self._forget_deadline()

    def end_process(self) -> None:
        """End the process that waits, wherever it is: it never goes on."""
        self.cancel()
        self.process._generator.close()
        # An instant that it waits for still comes up in the schedule.
        self.send = lambda _: self

    def fire(self, value: Any = None) -> None:
        """Wake the process that waits, now, with a value."""
        if self._deadline is not None:
            self.cancel()
        self._value = value
        heappush(self._schedule, (self.env._now, self._priority, self._next_number(), self))


_AFTER_ALL_ELSE = 1_000
"""The priority of deadlines."""


@final
class _Deadline:
    """What stands in the schedule for the deadlines of one timer, of which only the last counts.

    An entry is stale unless it bears the deadline's number. So a deadline that was not needed costs
    nothing but its place in the schedule, and nobody has to look for it there.
    """

    __slots__ = ("number", "otherwise", "timer")

    def __init__(self, timer: Timer) -> None:
        self.timer = timer
        self.number = -1
        """That of the entry that counts; -1: none does."""
        self.otherwise: Any = None
        """What the process gets if nobody fires its timer in time."""

    def pass_by(self, env: Environment) -> None:
        """Let the process go on, for nobody has fired its timer."""
        self.number = -1
        self.timer._value = self.otherwise
        env._resume(self.timer)
