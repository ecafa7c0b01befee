"""A shop with something in it: twenty customers and products, or more, and twice as many orders.

Every order has 134 bytes as JSON, every customer 113 and every product 275, so that what a task
costs doesn't depend on which of them it meets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from .documents import CUSTOMERS, ORDERS, PRODUCTS
from .errors import encode
from .shop import Shop

__all__ = ["LISTED", "NEW_ORDER", "ORDER", "sample_shop"]

LISTED: Final = 20
"""How many orders a list shows if nothing else is said."""
MOST_LISTED: Final = 500
ORDER: Final = "1042"
"""The order that the tasks are about; it is among the twenty newest of the smallest shop."""

# The names of a customer and of what it buys have 28 letters together, those of ORDER 30.
_NAMES: Final = (
    ("Ada Lovelace", "Espresso machine"),
    ("Alan Turing", "Mechanical keyboard"),
    ("Grace Hopper", "Wireless charger"),
    ("Edsger Dijkstra", "Travel teapot"),
    ("Barbara Liskov", "Leather wallet"),
    ("Donald Knuth", "Porcelain teapot"),
    ("Tony Hoare", "Stainless lunchbox"),
    ("Leslie Lamport", "Pocket compass"),
    ("Frances Allen", "Bicycle lantern"),
    ("Agner Erlang", "Desk lamp, brass"),
    ("Radia Perlman", "Hiking backpack"),
    ("Ken Thompson", "Chess clock, oak"),
    ("Dennis Ritchie", "Cork pin board"),
    ("John Little", "Umbrella, compact"),
    ("Margaret Hamilton", "Moon poster"),
    ("Niklaus Wirth", "Wooden toy boat"),
    ("Jim Gray", "Sailing gloves, pair"),
    ("Butler Lampson", "Kitchen scales"),
    ("Shafi Goldwasser", "Wool blanket"),
    ("David Kendall", "Notation primer"),
)
_CUSTOMER, _PRODUCT, _FIRST_ORDER = 101, 2001, 1021
_STREET = "Long Acre, London WC2E 9LH, United Kingdom"
_DESCRIPTION = (
    "Made to last and to be repaired: every part can be bought, the drawings are free, and what"
    " you send back is used again. Delivered in a box of paper, within three working days, by"
    " bicycle where there is one. Two years of warranty."
)

NEW_ORDER: Final[dict[str, Any]] = {
    "customer": "117",
    "product": "2017",
    "quantity": 1,
    "note": "Please leave it with the neighbour, thank you.",
}
"""What a new order says: 104 bytes as JSON."""


def sample_shop(path: str | Path = ":memory:", listed: int = LISTED) -> Shop:
    """A new shop with the sample in it.

    Parameters
    ----------
    path : str or Path
        A file that isn't there yet, or ``":memory:"``.
    listed : int
        How many of the newest orders are all of different customers and products, from 1 to 500.
    """
    if not 1 <= listed <= MOST_LISTED:
        raise ValueError(f"listed must be from 1 to {MOST_LISTED}, got {listed!r}")
    # The order that the tasks are about is there in any shop.
    people = max(listed, len(_NAMES))
    shop = Shop(path)
    with shop.session(writes=True) as session:
        for name, first in (("customers", _CUSTOMER), ("products", _PRODUCT)):
            session.run("INSERT INTO sqlite_sequence VALUES (?, ?)", [name, first - 1])
        session.run("INSERT INTO sqlite_sequence VALUES ('orders', ?)", [_FIRST_ORDER - 1])
        for number in range(people):
            again, place = divmod(number, len(_NAMES))
            customer, product = _NAMES[place]
            session.add(CUSTOMERS, _customer(customer, again))
            session.add(PRODUCTS, _product(product))
        for number in range(2 * people):
            session.add(ORDERS, _order(number % people))
    return shop


def _customer(name: str, again: int) -> dict[str, Any]:
    """One of the customers of a name: their addresses for mail differ."""
    email = name.lower().replace(" ", ".") + (str(again) if again else "") + "@example.org"
    values = {"name": name, "email": email, "address": ""}
    return {**values, "address": _STREET[: 113 - len(encode({"id": "101", **values}))]}


def _product(name: str) -> dict[str, Any]:
    values = {"name": name, "price": 4200, "description": ""}
    return {**values, "description": _DESCRIPTION[: 275 - len(encode({"id": "2001", **values}))]}


def _order(place: int) -> dict[str, Any]:
    return {
        "customer": str(_CUSTOMER + place),
        "product": str(_PRODUCT + place),
        "quantity": 1,
        "status": "confirmed",
        "note": "Please leave it with the neighbour, thanks.",
    }
