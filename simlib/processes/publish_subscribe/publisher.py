"""Publishers that send messages to a broker, and wait for its confirms or not."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, cycle, repeat
from typing import Any, Literal

from ...broker.messages import Properties, properties_of
from ...distributions import BLOCK, Distribution
from ..arrivals import first
from ..environment import Environment, Timer
from ..faults import NO_FAULTS, Faults
from .node import BrokerNode

__all__ = ["BrokerPublisher", "Confirms"]

Confirms = Literal["none", "each", "batch", "pipelined"]


class BrokerPublisher:
    """Publishes a message at each arrival instant, as soon as its confirms allow.

    Without confirms it goes on at once, and never hears what became of a message. With confirms it
    waits: for that of each message before the next; for those of a whole batch; or only while so
    many are outstanding. What does not find the broker, because that is down, it sends again when
    it is back. Messages that become due meanwhile are published late, and their ``created`` still
    says when they were due.

    Parameters
    ----------
    env : Environment
    node : BrokerNode
        Where to publish.
    interarrival : Distribution
        Gaps between messages (s), or a Trace of instants.
    exchange : str
        To which exchange.
    keys : str, sequence or mapping
        The routing key; or several, in turn; or several with their shares of the messages, which
        add up to 1.
    messages : int or None
        How many to publish; None: until the run ends or the distribution does.
    confirms : "none", "each", "batch" or "pipelined"
        Which confirms to wait for.
    window : int
        Messages in a batch, or the most unconfirmed ones when pipelined.
    faults : Faults
        When the publisher hangs: what becomes due meanwhile is published afterwards, and it hears
        of confirms only then.
    name : str
        Names the random streams.
    **properties
        Of every message, as for ``Broker.publish``: ``headers``, ``persistent``, ...
    """

    def __init__(
        self,
        env: Environment,
        node: BrokerNode,
        interarrival: Distribution,
        *,
        exchange: str = "",
        keys: str | Sequence[str] | Mapping[str, float] = "",
        messages: int | None = None,
        confirms: Confirms = "none",
        window: int = 1,
        faults: Faults = NO_FAULTS,
        name: str = "producer",
        **properties: Any,
    ) -> None:
        if window < 1:
            raise ValueError(f"window must be >= 1 message, got {window!r}")
        if isinstance(keys, Mapping) and abs(sum(keys.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of the keys must add up to 1, got {keys!r}")
        self.env = env
        self.node = node
        self.exchange = exchange
        self.properties = properties
        self._headers: Mapping[str, Any] | None = properties.pop("headers", None)
        # What is said about each message, put together once for each routing key.
        self._about: dict[str, Properties] = {}
        self.confirms = confirms
        self.faults = faults
        self.window = 1 if confirms == "each" else window
        self.sent = 0
        """Messages that it has sent."""
        self.unconfirmed = 0
        """Messages that are sent and not confirmed yet."""
        self.nacked = 0
        """Messages that a queue refused, as far as the publisher knows."""
        self.confirm_times = array("d")
        """From when a message was due until the publisher knew that the broker has it (s)."""
        self._timer: Timer | None = None
        self._waiting = False
        # What found no broker, in the order in which it was sent.
        self._stranded: list[tuple[str, int, float]] = []
        node.on_return.append(self._send_again)
        self._there = self._home = node.network
        self._out = self._there.connect(node.receive, 1)
        self._back = self._home.connect(self.confirmed, 0)
        blocks = first(messages, interarrival.instants(env.stream(name)))
        if isinstance(keys, Mapping):
            each = self._draw(keys, f"{name} keys")
        else:
            each = cycle([keys] if isinstance(keys, str) else keys)
        self.process = env.process(self._produce(blocks, each))

    def confirmed(self, outcome: tuple[bool, float]) -> None:
        """The broker says that it has a message, or that a queue refused it."""
        taken, created = outcome
        self.unconfirmed -= 1
        if taken:
            heard = self.faults.goes_on_at(self.env._now) if self.faults.hangs else self.env._now
            self.confirm_times.append(heard - created)
        else:
            self.nacked += 1
        if self._waiting and self.unconfirmed <= self._most_when_free and self._timer is not None:
            self._waiting = False
            self._timer.fire()

    @property
    def under_way(self) -> int:
        """Messages that are on their way to the broker, or wait until it is back."""
        return len(self._stranded) + (0 if self._out is None else len(self._out.under_way))

    @property
    def _most_when_free(self) -> int:
        """With how many unconfirmed messages it may go on."""
        return 0 if self.confirms == "batch" else self.window - 1

    def _draw(self, keys: Mapping[str, float], name: str) -> Iterator[str]:
        names, rng = list(keys), self.env.stream(name)
        places = (rng.choice(len(names), BLOCK, p=list(keys.values())) for _ in repeat(None))
        return (names[place] for place in chain.from_iterable(each.tolist() for each in places))

    def _produce(
        self, blocks: Iterator[list[float]], keys: Iterator[str]
    ) -> Generator[Timer, Any, None]:
        env = self.env
        self._timer = timer = Timer(env, 1)
        # At instant 0, too, the consumers are there before the first message.
        yield timer.at(env._now)
        waits, hangs = self.confirms != "none", bool(self.faults.hangs)
        send = self._send if waits or self._out is not None or self.node.publish_cost else self._put
        for created in chain.from_iterable(blocks):
            if created > env._now:
                yield timer.at(created)
            if hangs and (goes_on := self.faults.goes_on_at(env._now)) > env._now:
                yield timer.at(goes_on)
            send(next(keys), self.sent, created)
            self.sent += 1
            if waits and self.unconfirmed >= self.window:
                self._waiting = True
                yield timer

    def _put(self, key: str, number: int, created: float) -> None:
        """Publish where no time goes by and nobody waits for an answer."""
        if not self.node.up:
            self.node.miss(number, created)
            return
        about = self._about.get(key) or self._say(key)
        self.node.publish_under(about, b"%d" % number, number, created, self._headers)

    def _say(self, key: str) -> Properties:
        """What is said about messages with a routing key."""
        self._about[key] = about = properties_of(self.exchange, key, **self.properties)
        return about

    def _send(self, key: str, number: int, created: float) -> None:
        """Send a message on its way to the broker."""
        self.unconfirmed += 1
        publish = partial(self._arrive, key, number, created)
        if self._out is None:
            self.node.receive(publish)
        else:
            self._out.send(publish, self._there.arrives(self.env._now))

    def _arrive(self, key: str, number: int, created: float) -> None:
        """Publish what has arrived at the broker, and send back its confirm."""
        node = self.node
        if not node.up:
            self._find_nobody(key, number, created)
            return
        about = self._about.get(key) or self._say(key)
        taken = node.publish_under(about, b"%d" % number, number, created, self._headers)
        if self._back is None:
            self.confirmed((taken, created))
        else:
            self._back.send((taken, created), self._home.arrives(self.env._now))

    def _find_nobody(self, key: str, number: int, created: float) -> None:
        """A message has arrived, and the broker is down."""
        if self.confirms == "none":
            self.unconfirmed -= 1
            self.node.miss(number, created)
        else:
            self._stranded.append((key, number, created))

    def _send_again(self) -> None:
        """The broker is back."""
        stranded, self._stranded = self._stranded, []
        self.unconfirmed -= len(stranded)
        for message in stranded:
            self._send(*message)
