"""Three services, each with a database of its own, and what must be true of them together.

Orders, stock and bank are separate, so no transaction spans them, and what holds between them
holds only *at rest*: when nothing is under way any more. The books are then closed by reading all
databases, and every statement of :data:`INVARIANTS` is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from .bank import Bank
from .database import Database
from .inbox import Inbox
from .orders import Orders
from .outbox import Outbox
from .sagas import SagaLog
from .stock import Stock

__all__ = ["INVARIANTS", "Services"]

CUSTOMER: Final = "customer"
SHOP: Final = "shop"
PRODUCT: Final = "chair"

PLENTY: Final = 10**12
"""More money and more chairs than anybody asks for."""


class Services:
    """Orders, stock, bank and saga log, with an inbox and an outbox for each service.

    Parameters
    ----------
    folder : Path or None
        Where their files are, which are made if they aren't there; None: in memory.
    price : int
        What the only product costs.
    money, goods : int
        What the customer has, and how many of the product there are, before anything happened.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        price: int = 30,
        money: int = PLENTY,
        goods: int = PLENTY,
    ) -> None:
        self.price, self.money, self.goods = price, money, goods
        with ExitStack() as opened:

            def path(name: str) -> str | Path:
                return ":memory:" if folder is None else folder / f"{name}.db"

            self.orders = opened.enter_context(Orders(path("orders")))
            self.stock = opened.enter_context(Stock(path("stock")))
            self.bank = opened.enter_context(Bank(path("bank")))
            self.log = opened.enter_context(SagaLog(path("sagas")))
            databases: dict[str, Database] = {
                "orders": self.orders,
                "stock": self.stock,
                "bank": self.bank,
            }
            self.inboxes = {name: Inbox(each) for name, each in databases.items()}
            self.outboxes = {name: Outbox(each) for name, each in databases.items()}
            self.dedup_stores = {
                name: Inbox(opened.enter_context(Database(path(f"{name}-seen"))))
                for name in databases
            }
            self.stock.open(PRODUCT, goods)
            self.bank.open(CUSTOMER, money)
            self.bank.open(SHOP)
            self._opened = opened.pop_all()

    def reserve(self) -> str:
        """Reserve one product: "done" or "refused"."""
        return self.stock.reserve(PRODUCT)

    def release(self) -> str:
        """Undo a reservation."""
        return self.stock.release(PRODUCT)

    def charge(self, key: str) -> str:
        """Let the customer pay for an order: "done" or "refused"."""
        return self.bank.pay(CUSTOMER, SHOP, self.price, key)

    def refund(self, key: str) -> str:
        """Give the customer the money back."""
        return self.bank.pay(SHOP, CUSTOMER, self.price, key)

    def pending(self) -> list[str]:
        """The keys of all orders that were begun, and neither approved nor rejected."""
        status = dict(self.orders.execute("SELECT key, status FROM orders").fetchall())
        known = dict.fromkeys([*status, *self.log.sagas()])
        return [key for key in known if status.get(key, "pending") == "pending"]

    def broken(self) -> tuple[str, ...]:
        """The names of the :data:`INVARIANTS` that do not hold; at rest, all are to hold."""
        return tuple(name for name, holds in INVARIANTS.items() if not holds(self))

    def close(self) -> None:
        """Close all databases."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


INVARIANTS: Final[dict[str, Callable[[Services], bool]]] = {
    "customer + shop is constant": lambda its: (
        its.money == its.bank.balance(CUSTOMER) + its.bank.balance(SHOP)
    ),
    "free + reserved is constant": lambda its: (
        its.goods == its.stock.free(PRODUCT) + its.stock.reserved(PRODUCT)
    ),
    "shop = price × approved": lambda its: its.bank.balance(SHOP) == its.orders.worth("approved"),
    "reserved = approved": lambda its: its.stock.reserved(PRODUCT) == its.orders.count("approved"),
    "none pending": lambda its: not its.pending(),
    "one order per key": lambda its: not its.orders.repeated(),
}
"""What is to be true at rest, by name. No crash can break the first two, which are a single
transaction each; the others are between services."""
