"""Publishers whose messages and confirms may be lost on the way."""

from __future__ import annotations

import json
from functools import partial
from math import inf
from typing import Any

from ...distributions import Distribution
from ..draws import Draws
from ..environment import Environment
from ..line import Line
from .mishaps import NO_MISHAPS, Mishaps
from .node import BrokerNode
from .publisher import BrokerPublisher

__all__ = ["PaymentPublisher"]


class PaymentPublisher(BrokerPublisher):
    """Publishes payments, and sends again what is not confirmed in time.

    The body is a JSON object with ``order``, the message's number, ``amount``, and ``copy``, which
    counts from 1 how many times it was sent. What finds the broker down is as good as lost on the
    way. Nobody waits for a confirm, and each has a time limit
    of its own. Without confirms every message is sent once.

    Parameters
    ----------
    env, node, interarrival
        As for :class:`BrokerPublisher`.
    amounts : Draws
        The amount of each payment, rounded up to whole money.
    patience : float or None
        How long a confirm is waited for (s); None: there are no confirms.
    mishaps : Mishaps
        What goes wrong by chance until the confirm is back.
    **options
        As for :class:`BrokerPublisher`, but ``confirms``.
    """

    def __init__(
        self,
        env: Environment,
        node: BrokerNode,
        interarrival: Distribution,
        amounts: Draws,
        *,
        patience: float | None = None,
        mishaps: Mishaps = NO_MISHAPS,
        **options: Any,
    ) -> None:
        super().__init__(env, node, interarrival, **options)
        self.copies: dict[int, int] = {}
        """How many times each message was sent."""
        self._amounts = amounts
        self._confirmed: set[int] = set()
        self._patience = patience
        self._due = None if patience is None else Line(env, self._resend, 1)
        self._there = node.network.losing(mishaps.publish_lost, "publishes")
        self._home = node.network.losing(mishaps.confirm_lost, "confirms")

    def amount(self, number: int) -> int:
        """How much message ``number`` is to move."""
        return int(-(-self._amounts[number] // 1))

    def _put(self, key: str, number: int, created: float) -> None:
        self._send(key, number, created)

    def _send(self, key: str, number: int, created: float) -> None:
        self.copies[number] = copy = self.copies.get(number, 0) + 1
        there = self._there.arrives(self.env.now)
        if there == inf:
            if self._due is None:
                self.node.miss(number, created)
        else:
            publish = partial(self._arrive, key, number, created, copy)
            if self._out is None:
                self.node.receive(publish)
            else:
                self._out.send(publish, there)
        if self._due is not None and self._patience is not None:
            self._due.send((key, number, created), self.env.now + self._patience)

    def _arrive(self, key: str, number: int, created: float, copy: int = 1) -> None:
        if not self.node.up:
            self._find_nobody(key, number, created)
            return
        payment = {"order": number, "amount": self.amount(number), "copy": copy}
        body = json.dumps(payment).encode()
        about = self._about.get(key) or self._say(key)
        self.node.publish_under(about, body, number, created, self._headers)
        if self._due is None or (home := self._home.arrives(self.env.now)) == inf:
            return
        if self._back is None:
            self._confirmed.add(number)
        else:
            self._back.send((number, created), home)

    def confirmed(self, outcome: tuple[int, float]) -> None:
        number, created = outcome
        self._confirmed.add(number)
        self.confirm_times.append(self.env.now - created)

    def _find_nobody(self, key: str, number: int, created: float) -> None:
        if self._due is None:
            self.node.miss(number, created)

    def _resend(self, message: tuple[str, int, float]) -> None:
        """Send a message again unless the broker says that it has it."""
        if message[1] not in self._confirmed:
            self._send(*message)
