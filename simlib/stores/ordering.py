"""Five ways to carry an order through three services, step by step.

Each names its steps; a crash can come after any of them. ``request`` is what the order service does
when a customer asks, ``relay`` publishes what stands in an outbox, and ``receive`` is what a
service does with an event. After a crash the same code is called again with the same arguments:
the customer repeats the request, the relay looks again, the queue delivers again.

The two patterns that write to two places have no other remedy than ``dedup``; an *outbox* makes the
write to two places a write to one; a *saga* has a step for each service, and undoes those that are
done when one is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Literal

from .database import DONE, REFUSED
from .services import Services
from .steps import Steps

__all__ = [
    "DEDUP",
    "PATTERNS",
    "Choreographed",
    "CommitPublish",
    "Dedup",
    "Orchestrated",
    "Ordering",
    "PublishCommit",
    "WithOutbox",
]

Dedup = Literal["inbox", "effect, note", "note, effect", "none"]

DEDUP: Final[tuple[Dedup, ...]] = ("inbox", "effect, note", "note, effect", "none")
"""How a service knows what it has done before: noted in the transaction of the effect; in a store
of its own, after or before the effect; or not at all."""


class Ordering(ABC):
    """How an order is carried through the services.

    Parameters
    ----------
    services : Services
        Their databases.
    publish : callable
        Gives an event and the key of its order to a broker, which keeps it for each service that
        ``routes`` names.
    dedup : str
        One of :data:`DEDUP`. With "none" no key of an order is looked up either.
    """

    routes: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """What a service does about an event: event to service to the name of the action."""
    relays: ClassVar[tuple[str, ...]] = ()
    """The services whose outbox has a relay."""
    answers: ClassVar[Mapping[tuple[str, str], str]] = {}
    """The event that tells of an action and its outcome, where another service waits for it."""
    choices: ClassVar[tuple[Dedup, ...]] = DEDUP
    """The ways of knowing what was done before that there are in this pattern."""

    def __init__(
        self, services: Services, publish: Callable[[str, str], object], dedup: Dedup = "inbox"
    ) -> None:
        if dedup not in self.choices:
            raise ValueError(f"dedup must be one of {self.choices} here, got {dedup!r}")
        self.services = services
        self.publish = publish
        self.dedup: Dedup = dedup
        self.knows = dedup != "none"

    @abstractmethod
    def request(self, key: str) -> Steps:
        """What happens when a customer asks for an order, for the first time or again."""

    def relay(self, service: str) -> Steps:
        """Publish all that stands in the outbox of a service, and mark each row after that."""
        outbox = self.services.outboxes[service]
        name = "" if len(self.relays) == 1 else f"{service} "
        rows = outbox.unsent()
        if rows:
            yield f"{name}read"
        for row in rows:
            self.publish(row.event, row.key)
            yield f"{name}publish"
            outbox.mark(row.id)
            yield f"{name}mark"

    def receive(self, service: str, event: str, key: str, ack: Callable[[], object]) -> Steps:
        """What a service does with an event, up to the ack of the message."""
        action = self.routes[event][service]
        message = f"{event} {key}"
        known = self.services.dedup_stores[service]
        if self.dedup == "inbox":
            self.services.inboxes[service].once(message, lambda: self._act(service, action, key))
            yield action
        elif self.dedup == "note, effect":
            if known.note(message, DONE):
                yield f"{action} noted"
                self._act(service, action, key)
                yield action
        elif self.dedup == "none" or known.answer(message) is None:
            self._act(service, action, key)
            yield action
            if self.dedup == "effect, note":
                known.note(message, DONE)
                yield f"{action} noted"
        ack()
        yield f"{action} ack"

    def _act(self, service: str, action: str, key: str) -> str:
        """Do it, and put what others are to know in the outbox, in one transaction."""
        outbox = self.services.outboxes[service]
        with outbox.database.transaction():
            outcome = self._do(action, key)
            tell = self.answers.get((action, outcome))
            if tell is not None:
                outbox.add(tell, key)
        return outcome

    def _do(self, action: str, key: str) -> str:
        """Do the action of a service; "done" or "refused"."""
        services = self.services
        if action == "reserve":
            return services.reserve()
        if action == "release":
            return services.release()
        if action == "charge":
            return services.charge(key)
        if action == "create":
            services.orders.place(key, services.price, once=self.knows)
        else:
            services.orders.change(key, "approved" if action == "approve" else "rejected")
        return DONE

    def _approved(self, key: str) -> bool:
        """Insert an order that needs nobody's consent; whether it is new."""
        services = self.services
        return services.orders.place(key, services.price, "approved", once=self.knows)


SOLD: Final = {"ordered": {"stock": "reserve", "bank": "charge"}}
"""Stock and bank each work on the event that something was ordered, and tell nobody."""


class CommitPublish(Ordering):
    """Commit the order, then publish the event: a crash between the two loses the event."""

    routes = SOLD

    def request(self, key: str) -> Steps:
        new = self._approved(key)
        yield "commit"
        if new:
            self.publish("ordered", key)
            yield "publish"
        yield "reply"


class PublishCommit(Ordering):
    """Publish the event, then commit the order: a crash between the two leaves a phantom."""

    routes = SOLD

    def request(self, key: str) -> Steps:
        self.publish("ordered", key)
        yield "publish"
        self._approved(key)
        yield "commit"
        yield "reply"


class WithOutbox(Ordering):
    """Commit the order and the event together; a relay publishes it."""

    routes = SOLD
    relays = ("orders",)

    def request(self, key: str) -> Steps:
        with self.services.orders.transaction():
            if self._approved(key):
                self.services.outboxes["orders"].add("ordered", key)
        yield "commit"
        yield "reply"


class Orchestrated(Ordering):
    """A saga with a conductor, who keeps a log and asks one service after the other.

    Each step is logged before and after. If a service refuses, what was done before is undone, the
    last first; that needs no entry before, for it is asked for until it is logged.
    """

    choices = ("inbox", "none")
    steps: ClassVar = ("create", "reserve", "charge", "approve")
    undo: ClassVar = {"create": "reject", "reserve": "release"}
    places: ClassVar = {"reserve": "stock", "charge": "bank"}

    def request(self, key: str) -> Steps:
        log, done = self.services.log, []
        noted = log.outcomes(key)
        for step in self.steps:
            outcome = noted.get(step)
            if outcome is None:
                log.begin(key, step)
                yield f"{step} begun"
                outcome = self._ask(step, key)
                yield step
                log.end(key, step, outcome)
                yield f"{step} logged"
            if outcome == REFUSED:
                break
            done.append(step)
        else:
            return
        for step in reversed(done):
            undo = self.undo[step]
            if undo not in noted:
                self._take_back(step, undo, key)
                yield undo
                log.end(key, undo, DONE)
                yield f"{undo} logged"

    def _ask(self, action: str, key: str) -> str:
        """Ask the service whose action it is; one that knows what it did answers the same."""
        place = self.places.get(action)
        if place is None or not self.knows:
            return self._do(action, key)
        return self.services.inboxes[place].once(f"{action} {key}", lambda: self._do(action, key))

    def _take_back(self, action: str, undo: str, key: str) -> None:
        """Let the service undo its action."""
        place = self.places.get(action)
        if place is None or not self.knows:
            self._do(undo, key)
        else:
            self.services.inboxes[place].undo(f"{action} {key}", lambda: self._do(undo, key))


class Choreographed(Ordering):
    """A saga without a conductor: each service works on the events of the others.

    The rows of the outboxes are the log.
    """

    routes: ClassVar = {
        "created": {"stock": "reserve"},
        "reserved": {"bank": "charge"},
        "charged": {"orders": "approve"},
        "card refused": {"stock": "release"},
        "released": {"orders": "reject"},
        "out of stock": {"orders": "reject"},
    }
    relays = ("orders", "stock", "bank")
    answers: ClassVar = {
        ("create", DONE): "created",
        ("reserve", DONE): "reserved",
        ("reserve", REFUSED): "out of stock",
        ("charge", DONE): "charged",
        ("charge", REFUSED): "card refused",
        ("release", DONE): "released",
    }

    def request(self, key: str) -> Steps:
        if self.knows:
            create = self.services.inboxes["orders"].once
            create(f"create {key}", lambda: self._act("orders", "create", key))
        else:
            self._act("orders", "create", key)
        yield "create"
        yield "reply"


PATTERNS: Final[dict[str, type[Ordering]]] = {
    "commit, publish": CommitPublish,
    "publish, commit": PublishCommit,
    "outbox": WithOutbox,
    "orchestrated saga": Orchestrated,
    "choreographed saga": Choreographed,
}
"""The ways, by name."""
