"""What queues share that live in one process: who waits for what, and until when.

:class:`LocalQueue` knows which messages wait, which are delayed and which are held, and lets
threads wait for a message or for room. Where a message's content is kept, and what has to be
written down when something happens to it, is for subclasses to say.

An interrupt must leave no message between two places. The interpreter looks for signals where a
function begins, after a call and before it goes round a loop. So what belongs together is done with
at most one call, the last thing of all; what takes many steps is one call into C, or can be done
again. A message is popped by a ``for``, which takes no look.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from math import inf
from typing import NoReturn

from .blocking import BlockingQueue
from .checks import check_message, check_messages
from .errors import CorruptQueueError, is_closed, not_held
from .message import Clock, Message

__all__ = ["LocalQueue"]

Entry = tuple[int, int, bytes, int]
"""What waits in a heap: -priority, id, body, and the attempts that it will be delivered in."""


class LocalQueue(BlockingQueue):
    """A queue shared by the threads of one process.

    Parameters
    ----------
    maxsize, lease, clock
        As for :class:`MessageQueue`.
    """

    _keeps_bodies = True
    """Whether a body stays in memory while its message waits."""

    def __init__(self, maxsize: int, lease: float | None, clock: Clock) -> None:
        super().__init__(maxsize, lease, clock)
        # Whether every call is to be refused, be it that the queue is closed.
        self._unusable = False
        self._last_id = 0
        # Messages of priority 0 that were never delivered wait as (id, body): that is what makes
        # a put cheap.
        self._plain: deque[tuple[int, bytes]] = deque()
        # All others: prioritised, with headers, returned, or no
        # longer delayed. Heads of the heap and of the deque are compared by (-priority, id).
        self._heap: list[Entry] = []
        self._delayed: list[tuple[float, int, int, bytes, int]] = []
        # What pops from each: for an interrupt not to come between a message and who takes it.
        self._from_plain = iter(self._plain.popleft, None)
        self._from_heap = iter(partial(heappop, self._heap), None)
        self._from_delayed = iter(partial(heappop, self._delayed), None)
        self._unacked: dict[int, Message] = {}
        # When each lease ends, and whose it is; a heap, for a clock may step back. The number only
        # keeps messages from being compared. Leases of messages that are not held any more go when
        # their turn comes.
        self._leases: list[tuple[float, int, Message]] = []
        # Nothing delayed or leased falls due before this instant.
        self._due = inf

    # What subclasses say; each is called under the lock

    @abstractmethod
    def _message(self, number: int, body: bytes, priority: int, attempts: int) -> Message:
        """The message to be delivered, from what waited in its place."""

    def _refuse(self) -> NoReturn:
        """Say why the queue is unusable."""
        raise is_closed()

    def _claimed(self, taken: Sequence[Entry]) -> None:
        """Write down that messages are delivered, as the last thing of all."""

    def _settled(self, ids: Collection[int]) -> None:
        """Write down that messages are done, or dropped, as the last thing of all."""

    # Producers

    def _insertion(
        self,
        ids: Iterable[int],
        bodies: Iterable[bytes],
        priority: int,
        due: float,
        now: float,
        attempts: int = 1,
    ) -> Iterator[None]:
        """What lets messages wait, until ``due`` (s) if that is later than ``now``: to be run
        through in one go, by ``any``."""
        if due > now:
            later = [
                (due, number, priority, body, attempts)
                for number, body in zip(ids, bodies, strict=True)
            ]
            if due < self._due:
                self._due = due
            return map(partial(heappush, self._delayed), later)
        ready = [
            (-priority, number, body, attempts) for number, body in zip(ids, bodies, strict=True)
        ]
        return map(partial(heappush, self._heap), ready)

    @property
    def _waiting(self) -> int:
        return len(self._plain) + len(self._heap) + len(self._delayed)

    def _wait_until_fit(self, messages: int, block: bool, timeout: float | None) -> None:
        """Wait until so many messages may come in."""
        self._wait_for_room(partial(self._has_room, messages), messages, block, timeout)

    def _has_room(self, messages: int) -> bool | None:
        """True if so many messages may come in, else None."""
        if self._unusable:
            self._refuse()
        return self.maxsize <= 0 or self._waiting + messages <= self.maxsize or None

    # Consumers

    def _take(self, most: int) -> list[Message]:
        if self._unusable:
            self._refuse()
        if self._due != inf:
            self._release()
        taken: list[Entry] = []
        messages: list[Message] = []
        try:
            while len(messages) < most and self._take_one(taken):
                priority, number, body, attempts = taken[-1]
                messages.append(self._message(number, body, -priority, attempts))
            if not messages:
                return messages
            held = {message.id: message for message in messages}
            if self.lease is not None:
                self._sort_out_leases()
                end = self.clock() + self.lease
                for message in messages:
                    self._begin_lease(message, end)
            self._claimed(taken)
            self._unacked |= held
        except CorruptQueueError as error:
            taken.pop()  # It is set aside.
            self._give_back(taken)
            raise error
        except BaseException:
            self._give_back(taken)
            raise
        return messages

    def _take_one(self, taken: list[Entry]) -> bool:
        """Move what goes first to what is taken; False if there is nothing."""
        heap, plain = self._heap, self._plain
        try:
            if heap and (not plain or heap[0][:2] < (0, plain[0][0])):
                for entry in self._from_heap:
                    taken += (entry,)
                    return True
            for number, body in self._from_plain:
                taken += ((0, number, body, 1),)
                return True
        except IndexError:  # Nothing is there, or a get without the lock was faster.
            return bool(heap) and self._take_one(taken)
        return False

    def _give_back(self, taken: list[Entry]) -> None:
        """Let messages wait as if they had not been touched."""
        any(map(partial(heappush, self._heap), taken))

    def _begin_lease(self, message: Message, end: float) -> None:
        """Give a message that is about to be delivered its lease."""
        if end < self._due:
            self._due = end
        heappush(self._leases, (end, id(message), message))

    def _sort_out_leases(self) -> None:
        """Forget leases of messages that are done, if they are many. All others are of messages
        that are held already."""
        if len(self._leases) > 2 * len(self._unacked) + 100:
            unacked = self._unacked
            held = [each for each in self._leases if unacked.get(each[2][0]) is each[2]]
            heapify(held)
            self._leases = held

    def _is_held(self, message: Message) -> bool:
        return self._unacked.get(message.id) is message

    def ack(self, message: Message) -> None:
        with self._lock:
            self._check_held(message)
            if not self._forget((message.id,)):
                raise not_held(message, None)

    def ack_many(self, messages: Iterable[Message]) -> None:
        messages = check_messages(messages)
        with self._lock:
            known: set[int] = set()
            for message in messages:
                self._check_held(message, among=known)
                known.add(message.id)
            if not self._forget(known):
                raise not_held(messages[0], None)

    def nack(self, message: Message, requeue: bool = True) -> None:
        with self._lock:
            self._check_held(message)
            done = self._requeue(message.id) if requeue else self._forget((message.id,))
            if not done:
                raise not_held(message, None)

    def _forget(self, ids: Collection[int]) -> bool:
        """Let messages go that are done, or dropped; False, and none goes, if one is gone."""
        if not ids:
            return True
        self._settled(ids)
        try:
            self._drop(ids)
        except BaseException:
            self._drop(ids)  # There is no way back.
            raise
        return True

    def _drop(self, ids: Collection[int]) -> None:
        """Keep nothing of messages, those of which nothing is kept any more included."""
        for number in ids:
            self._unacked.pop(number, None)

    def _check_held(self, message: Message, among: Collection[int] = ()) -> None:
        """Raise unless this very delivery is held, under a lease that runs, and no repetition."""
        check_message(message)
        if self._unusable:
            self._refuse()
        self._release()
        held = self._unacked.get(message.id)
        if held is None or message.id in among:
            raise not_held(message, None)
        if held.attempts != message.attempts:
            raise not_held(message, held.attempts)

    # Time

    def _release(self) -> None:
        """Make ready what has fallen due: delayed messages, and those whose lease ran out."""
        now = self.clock()
        if now < self._due:
            return
        while self._delayed and self._delayed[0][0] <= now:
            for _, number, priority, body, attempts in self._from_delayed:
                heappush(self._heap, (-priority, number, body, attempts))
                break
        while self._leases and self._leases[0][0] <= now:
            message = self._leases[0][2]
            if self._is_held(message):
                self._requeue(message.id)
            heappop(self._leases)
        self._due = self._next_due()

    def _next_due(self) -> float:
        while self._leases and not self._is_held(self._leases[0][2]):
            heappop(self._leases)
        due = self._delayed[0][0] if self._delayed else inf
        return min(due, self._leases[0][0]) if self._leases else due

    def _due_in(self) -> float:
        return max(0.0, self._next_due() - self.clock())

    def _requeue(self, number: int) -> bool:
        """Put a held message back to its old place: ahead of everything that was put after it.
        False if it isn't held any more."""
        message = self._unacked.get(number)
        if message is None:
            return False
        body = message.body if self._keeps_bodies else b""
        entry = (-message.priority, number, body, message.attempts + 1)
        try:
            del self._unacked[number]
        except KeyError:  # An ack without the lock was faster.
            return False
        heappush(self._heap, entry)
        if self._sleepers:
            self._arrived.notify()
        return True

    # The rest

    def _look_up(self) -> None:
        """See what has become of the messages meanwhile, before somebody asks."""
        if self._unusable:
            self._refuse()
        self._release()

    def due_in(self) -> float:
        with self._lock:
            self._look_up()
            return self._due_in()

    def qsize(self) -> int:
        with self._lock:
            self._look_up()
            return len(self._plain) + len(self._heap)

    @property
    def delayed(self) -> int:
        with self._lock:
            self._look_up()
            return len(self._delayed)

    @property
    def unacked(self) -> int:
        with self._lock:
            self._look_up()
            return len(self._unacked)

    def full(self) -> bool:
        with self._lock:
            self._look_up()
            return 0 < self.maxsize <= self._waiting

    def ids(self) -> set[int]:
        with self._lock:
            self._look_up()
            return {
                *(number for number, _ in list(self._plain)),  # A get takes no lock.
                *(number for _, number, *_ in self._heap),
                *(number for _, number, *_ in self._delayed),
                *self._unacked,
            }

    def _end(self) -> None:
        """Let nobody wait any longer; to be called under the lock when the queue is closed."""
        self._unusable = True
        self._tell_all()
