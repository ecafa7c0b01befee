"""A panel for routing: type a key, and see which queues light up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..broker import Broker
from .board import Board
from .controls import Choice, Control, Text
from .figures import topology
from .pictures import Picture, show

__all__ = ["RoutingPlayground"]

EXCHANGE = "events"

TYPES = ("topic", "direct", "fanout", "headers")


class RoutingPlayground(Board):
    """An exchange, a few queues, and a message whose way is shown.

    A real broker does the routing. For a headers exchange, the bindings and the key are written as
    ``name=value, name=value``; ``x-match=any`` in a binding asks for one of them only.

    Parameters
    ----------
    bindings : mapping
        The routing key or pattern at first, by name of the queue.
    key : str
        The message's routing key at first.
    """

    def __init__(self, bindings: Mapping[str, str], key: str) -> None:
        self.reached: list[str] = []
        """The queues that the message gets to; empty after an error, too."""
        self._queues = list(bindings)
        self._picture: Picture | None = None
        controls: dict[str, Control] = {
            "type": Choice("exchange type", "", {each: each for each in TYPES}, TYPES[0]),
            "key": Text("routing key", "", key),
            **{queue: Text(f"{queue} wants", "", wanted) for queue, wanted in bindings.items()},
        }
        super().__init__("playground", controls, stops=False)
        self.run()

    def _forget(self) -> None:
        self.reached = []

    def _still(self) -> Picture | None:
        return self._picture

    def _show(self) -> str:
        kind, key = self.controls["type"].value, self.controls["key"].value
        by_headers = kind == "headers"
        way: dict[str, Any] = {"headers": _pairs(key)} if by_headers else {"routing_key": key}
        with Broker() as broker:
            broker.declare_exchange(EXCHANGE, kind)
            for queue in self._queues:
                wanted = self.controls[queue].value
                broker.declare_queue(queue)
                broker.bind(
                    queue,
                    EXCHANGE,
                    "" if by_headers else wanted,
                    _pairs(wanted) if by_headers else None,
                )
            self.reached = broker.publish(
                EXCHANGE, way.get("routing_key", ""), b"", headers=way.get("headers")
            )
            self._picture = show(topology(broker, exchange=EXCHANGE, **way))
        self._draw(self._picture._repr_html_(), self._picture.alt)
        return f"gets to {', '.join(self.reached) or 'no queue'}"


def _pairs(text: str) -> dict[str, str]:
    """Headers as they are written: name=value, name=value."""
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals):
            raise ValueError(f"a header is written as name=value, got {part!r}")
        pairs[name] = value
    return pairs
