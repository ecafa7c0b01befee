"""Payments by message: a subscriber that books them in a real account.

How it knows what was booked before, see :class:`simlib.stores.Accounts`.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from ...broker import Delivery
from ...stores import Accounts
from ..draws import happens
from ..environment import Environment
from .mishaps import NO_MISHAPS, Mishaps
from .node import BrokerNode
from .subscriber import Subscriber

__all__ = ["Bookkeeper", "Dedup"]

Dedup = Literal["none", "store", "inbox"]
"""How a bookkeeper knows what was booked before: not at all, or by one of the two ways."""


class Bookkeeper(Subscriber):
    """A subscriber that books a payment when the work on its message is done.

    The body is a JSON object with ``order`` and ``amount``.

    Parameters
    ----------
    env, node, queue, work
        As for :class:`Subscriber`.
    accounts : Accounts
        Where to book.
    dedup : "none", "store" or "inbox"
        How it knows what was booked before.
    mishaps : Mishaps
        What goes wrong by chance from delivery to ack.
    **options
        As for :class:`Subscriber`.
    """

    def __init__(
        self,
        env: Environment,
        node: BrokerNode,
        queue: str,
        work: Any,
        accounts: Accounts,
        *,
        dedup: Dedup = "none",
        mishaps: Mishaps = NO_MISHAPS,
        name: str = "subscriber",
        **options: Any,
    ) -> None:
        super().__init__(env, node, queue, work, mishaps=mishaps, name=name, **options)
        self._accounts = accounts
        self._dedup = dedup
        self._crashes_after = happens(
            env, f"{name} crashes after booking", mishaps.booked_and_crashed
        )

    def effect(self, delivery: Delivery) -> bool:
        payment = json.loads(delivery.body)
        message, amount = payment["order"], payment["amount"]
        accounts = self._accounts
        if self._dedup == "store" and accounts.store_knows(message):
            return True
        if self._dedup == "inbox":
            accounts.book_once(message, amount)
        else:
            accounts.book(message, amount)
        if next(self._crashes_after):
            return False
        if self._dedup == "store":
            accounts.note_in_store(message)
        return True
