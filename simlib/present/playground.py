"""A panel for routing: type a key, and see which queues light up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from ..broker import Broker
from .controls import Choice, Control, Status, Text
from .panel import ERROR, error_in_words, with_picture
from .pictures import Picture, show
from .topology import topology

__all__ = ["RoutingPlayground"]

EXCHANGE = "events"

TYPES = ("topic", "direct", "fanout", "headers")


class RoutingPlayground(widgets.VBox):  # type: ignore[misc]
    """An exchange, a few queues, and a message whose way is shown.

    A real broker does the routing. For a headers exchange, the bindings and the key are written as
    ``name=value, name=value``; ``x-match=any`` in a binding asks for one of them only.

    Parameters
    ----------
    bindings : mapping
        The routing key or pattern at first, by name of the queue.
    key : str
        The message's routing key at first.
    type : str
        The exchange's type at first.
    """

    def __init__(
        self,
        bindings: Mapping[str, str],
        key: str,
        type: str = "topic",  # noqa: A002, as AMQP has it
    ) -> None:
        self.reached: list[str] = []
        """The queues that the message gets to; empty after an error, too."""
        self.error: Exception | None = None
        """What was wrong with what the controls say."""
        self.alt = ""
        """What is to be seen in the picture."""
        self.controls: dict[str, Control] = {
            "type": Choice("exchange type", "", {each: each for each in TYPES}, type),
            "key": Text("routing key", "", key),
            **{queue: Text(f"{queue} wants", "", wanted) for queue, wanted in bindings.items()},
        }
        """``type``, ``key``, and one for each queue by its name."""
        self._picture: Picture | None = None
        self._queues = list(bindings)
        self._initial = {name: control.value for name, control in self.controls.items()}
        self._paused = False
        for name, control in self.controls.items():
            control.add_class(f"control-{name.replace(' ', '-')}")
            control.observe(self._changed, "value")
        self.status = Status(stops=False)
        self.status.on_msg(lambda *_: self.reset())
        self.picture = widgets.HTML()
        self.picture.add_class("playground-picture")
        grid = widgets.Box(list(self.controls.values()))
        grid.add_class("panel-controls")
        super().__init__([grid, self.status, self.picture])
        self.add_class("playground")
        self.add_class("simlib")
        self.run()

    def __repr__(self) -> str:
        return f"RoutingPlayground({', '.join(self.controls)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """With the picture beside the widget, for readers that can't show widgets."""
        return with_picture(super()._repr_mimebundle_(**options), self._picture)

    def set(self, **values: str) -> None:
        """Change several controls at once, by name."""
        self._paused = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._paused = False
        self.run()

    def reset(self) -> None:
        """Put every control back to where it stood."""
        self.set(**self._initial)

    def run(self) -> None:
        """Route the message as the controls stand, and show its way."""
        try:
            self._show()
            self.error = None
        except Exception as error:  # Nothing that a callback raises would be seen otherwise.
            self.reached = []
            self.error = error
            self.picture.value = ERROR.format(error_in_words(error))
            self.status.value = "stopped by an error"

    def _changed(self, _: Any) -> None:
        if not self._paused:
            self.run()

    def _show(self) -> None:
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
        self.alt = self._picture.alt
        self.picture.value = self._picture._repr_html_()
        self.status.value = f"gets to {', '.join(self.reached) or 'no queue'}"


def _pairs(text: str) -> dict[str, str]:
    """Headers as they are written: name=value, name=value."""
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals):
            raise ValueError(f"a header is written as name=value, got {part!r}")
        pairs[name] = value
    return pairs
