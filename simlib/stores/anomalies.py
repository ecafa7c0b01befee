"""What a saga does not give: three stories of two who meet between its steps, and their remedies.

A saga is atomic in the end, and isolated never: others see what it has done so far (Garcia-Molina
and Salem, 1987). Each story is executed on real databases, and what is wrong is read from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .bank import Bank
from .database import DONE
from .orders import Status
from .services import PRODUCT, Services

__all__ = ["Story", "dirty_read", "late_action", "lost_update"]


@dataclass(frozen=True)
class Story:
    """What was asked for, one thing after the other, and what is wrong at the end.

    Parameters
    ----------
    told : tuple of (str, str, str)
        Who asked, what for, and what the answer was.
    wrong : tuple of str
        What is wrong at rest, as the databases have it; empty if nothing is.
    """

    told: tuple[tuple[str, str, str], ...]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{who:9}{what:32}{answer}" for who, what, answer in self.told]
        return "\n".join([*lines, f"at rest: {'; '.join(self.wrong) or 'all is well'}"])


def dirty_read(*, remedy: bool = False) -> Story:
    """A's payment will be undone, and B is refused for want of that money.

    The remedy is a semantic lock: as long as A's saga has not ended, B is told to wait.
    """
    told = []
    with Bank() as bank:
        bank.open("customer", 100)
        bank.open("shop")

        def pay(saga: str, amount: int) -> str:
            answer = bank.pay("customer", "shop", amount, saga=saga if remedy else None)
            told.append((saga, f"pay {amount}", answer))
            return answer

        pay("A", 80)
        answer = pay("B", 50)
        told.append(("A", "undo 80", bank.pay("shop", "customer", 80)))
        bank.settle("A")
        if answer == "wait":
            answer = pay("B", 50)
        left = bank.balance("customer")
    refused = answer != DONE and left >= 50
    return Story(tuple(told), ("B was refused 50, and the customer has 100",) if refused else ())


def lost_update(*, remedy: bool = False) -> Story:
    """A customer cancels an order and is paid back; then the saga approves it.

    The remedy is to approve only what is still pending.
    """
    with Services(money=100, goods=10) as services:
        told = [("saga", "create", _done(services.orders.place("a", services.price)))]
        told.append(("saga", "reserve", services.reserve()))
        told.append(("saga", "charge", services.charge("a")))
        told.append(("customer", "cancel", _done(services.orders.change("a", "cancelled"))))
        told.append(("customer", "refund", services.refund("a")))
        told.append(("customer", "release", services.release()))
        was: Status | None = "pending" if remedy else None
        told.append(("saga", "approve", _done(services.orders.change("a", "approved", was=was))))
        return Story(tuple(told), services.broken())


def late_action(*, remedy: bool = False) -> Story:
    """A request that got no answer is undone, and arrives after that.

    The remedy is that whoever undoes what never came records it, and refuses it when it comes.
    """
    with Services(money=100, goods=10) as services:
        inbox, stock = services.inboxes["stock"], services.stock
        told = [("saga", "create", _done(services.orders.place("a", services.price)))]
        told.append(("saga", "reserve", "no answer in time"))
        if remedy:
            inbox.undo("reserve a", services.release)
            told.append(("saga", "undo reserve", "recorded: it never came"))
        else:
            told.append(("saga", "undo reserve", "nothing to undo"))
        told.append(("saga", "reject", _done(services.orders.change("a", "rejected"))))
        told.append(("late", "reserve", inbox.once("reserve a", lambda: stock.reserve(PRODUCT))))
        return Story(tuple(told), services.broken())


def _done(changed: bool) -> str:
    return DONE if changed else "no longer pending"
