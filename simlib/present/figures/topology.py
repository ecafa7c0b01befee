"""A broker's exchanges, queues and bindings as a picture, and a message's way through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from ...broker import Binding, Broker, QueueState, topic_matches
from ...broker.exchanges import Exchange
from ..pictures import COLOURS, axes

__all__ = ["topology"]

QUIET, LIT, BACK = "0.45", COLOURS[1], COLOURS[3]

LONGEST = 28
"""Characters of a name or a pattern that fit into the picture; its description has them all."""


def topology(
    broker: Broker,
    ax: Axes | None = None,
    *,
    exchange: str | None = None,
    routing_key: str = "",
    headers: Mapping[str, Any] | None = None,
) -> Axes:
    """The exchanges on the left, the queues on the right, and the bindings between them.

    All of it is asked from the broker, the number of messages that are ready included. Where dead
    letters go is dashed.

    Parameters
    ----------
    broker : Broker
        Which one.
    ax : Axes, optional
        Where to draw.
    exchange : str, optional
        Lights up the way of a message that is published there. Nothing is published: the broker is
        only asked for its route.
    routing_key : str
        The routing key of that message.
    headers : mapping, optional
        Its headers.
    """
    queues = list(broker.queues)
    bindings = broker.bindings
    lit_exchanges, lit = _way(broker, exchange, routing_key, headers)
    reached = [queue for queue in queues if ("queue", queue) in lit]
    columns = _columns(bindings, broker)
    if ax is None:
        ax = axes(8, max(2.4, 0.75 * max(len(queues), *map(len, columns.values()), 1)))
    places = _places(queues, columns, bindings)
    _draw_bindings(ax, bindings, places, broker, lit_exchanges, lit, routing_key)
    _draw_dead_letters(ax, broker, places)
    for (kind, name), (x, y) in places.items():
        if kind == "queue":
            state = broker.queues[name]
            said, on = f"{_short(name)}\n{state.ready} ready", name in reached
        else:
            said, on = (
                f"{_short(name or 'default')}\n{broker.exchanges[name].type}",
                name in lit_exchanges,
            )
        ax.text(
            x,
            y,
            said,
            ha="center",
            va="center",
            fontsize=10,
            fontweight="bold" if on else "normal",
            color="white" if on else "black",
            bbox={
                "boxstyle": "round,pad=0.4" if kind == "exchange" else "square,pad=0.4",
                "facecolor": LIT if on else "white",
                "edgecolor": LIT if on else QUIET,
                "linewidth": 1.5,
            },
        )
    ax.set(xlim=(-0.18, 1.18), ylim=(-0.12, 1.12))
    ax.axis("off")
    ax.set_label(_in_words(broker, bindings, exchange, routing_key, headers, reached))
    return ax


def _places(
    queues: list[str], columns: Mapping[int, list[str]], bindings: list[Binding]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Where each exchange and queue is drawn: an exchange at the height of what it sends to."""
    places = {("queue", name): (1.0, _height(row, len(queues))) for row, name in enumerate(queues)}
    last = max(columns)
    for depth in sorted(columns, reverse=True):
        heights = {}
        for name in columns[depth]:
            to = [
                places.get((each.kind, each.destination))
                for each in bindings
                if each.source == name
            ]
            # In a circle of exchanges there may be none that is placed yet.
            known = [place[1] for place in to if place is not None] or [0.5]
            heights[name] = sum(known) / len(known)
        # Those at one height would hide each other.
        for row, name in enumerate(sorted(heights, key=lambda name: -heights[name])):
            y = heights[name] if len(heights) == 1 else _height(row, len(heights))
            places["exchange", name] = (0.55 * depth / last if last else 0.0), y
    return places


def _height(row: int, rows: int) -> float:
    """From 1 at the top to 0; one alone is in the middle."""
    return 0.5 if rows == 1 else 1 - row / (rows - 1)


def _columns(bindings: list[Binding], broker: Broker) -> dict[int, list[str]]:
    """The exchanges that take part, by how many others lie before them."""
    named = {binding.source for binding in bindings}
    named |= {binding.destination for binding in bindings if binding.kind == "exchange"}
    depth = dict.fromkeys((name for name in broker.exchanges if name in named), 0)
    # As many rounds as there are exchanges: a circle of exchanges ends there, too.
    for _ in depth:
        for binding in bindings:
            if binding.kind == "exchange" and depth[binding.source] < len(depth) - 1:
                depth[binding.destination] = max(
                    depth[binding.destination], depth[binding.source] + 1
                )
    levels = sorted(set(depth.values()))
    return {
        level: [name for name in depth if depth[name] == value]
        for level, value in enumerate(levels)
    } or {0: []}


def _way(
    broker: Broker, exchange: str | None, key: str, headers: Mapping[str, Any] | None
) -> tuple[set[str], set[tuple[str, str]]]:
    """The exchanges that a message passes, and everything that it gets to, by kind and name."""
    if exchange is None:
        return set(), set()
    source = broker.source(exchange)
    lit = {("queue", queue.name) for queue in broker.destinations(source, key, headers or {})}
    passed, names = [source], {exchange}
    for each in passed:  # grows on the way
        for found in each.route(key, headers or {}):
            if isinstance(found, Exchange) and found not in passed:
                passed.append(found)
                names.add(found.name)
                lit.add(("exchange", found.name))
    return names, lit


def _draw_bindings(
    ax: Axes,
    bindings: list[Binding],
    places: Mapping[tuple[str, str], tuple[float, float]],
    broker: Broker,
    passed: set[str],
    lit: set[tuple[str, str]],
    key: str,
) -> None:
    together: dict[tuple[str, tuple[str, str]], list[Binding]] = {}
    for binding in bindings:
        target = (binding.kind, binding.destination)
        together.setdefault((binding.source, target), []).append(binding)
    for (source, target), several in together.items():
        kind = broker.exchanges[source].type
        hot = (
            source in passed
            and target in lit
            and any(_matches(kind, each, key) for each in several)
        )
        (x, y), (to_x, to_y) = places["exchange", source], places[target]
        ax.plot(
            [x, to_x],
            [y, to_y],
            color=LIT if hot else QUIET,
            linewidth=3 if hot else 1,
            zorder=1,
        )
        said = "\n".join(_short(_label(each)) for each in several if _label(each))
        if said:
            # Where the lines are apart.
            along = 0.7 if target[0] == "queue" else 0.5
            ax.text(
                x + along * (to_x - x),
                y + along * (to_y - y),
                said,
                ha="center",
                va="center",
                fontsize=9,
                family="monospace",
                color=LIT if hot else "black",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )


def _matches(kind: str, binding: Binding, key: str) -> bool:
    """Whether a binding of an exchange that a message passes is the reason it goes on."""
    if kind == "topic":
        return topic_matches(binding.routing_key, key)
    return kind != "direct" or binding.routing_key == key


def _short(text: str) -> str:
    """As much of a text as there is room for."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _label(binding: Binding) -> str:
    """What a binding compares with."""
    if binding.arguments:
        return ", ".join(f"{name}={value}" for name, value in binding.arguments.items())
    return binding.routing_key


def _draw_dead_letters(
    ax: Axes, broker: Broker, places: Mapping[tuple[str, str], tuple[float, float]]
) -> None:
    for state in broker.queues.values():
        target = _grave(state)
        if target is not None and target in places:
            start, end = places["queue", state.name], places[target]
            ax.annotate(
                "",
                end,
                start,
                arrowprops={
                    "arrowstyle": "->",
                    "linestyle": "--",
                    "color": BACK,
                    "connectionstyle": "arc3,rad=-0.35",
                    "shrinkA": 22,
                    "shrinkB": 22,
                },
            )


def _grave(state: QueueState) -> tuple[str, str] | None:
    """Where a queue's dead letters go: to an exchange, or by the default one to a queue."""
    options = state.options
    if options.dead_letter_exchange is None:
        return None
    if options.dead_letter_exchange:
        return "exchange", options.dead_letter_exchange
    return "queue", options.dead_letter_routing_key or state.name


def _in_words(
    broker: Broker,
    bindings: list[Binding],
    exchange: str | None,
    key: str,
    headers: Mapping[str, Any] | None,
    reached: list[str],
) -> str:
    said = []
    for name in dict.fromkeys(binding.source for binding in bindings):
        ways = [
            f"{_label(each) or 'everything'} to {each.destination}"
            for each in bindings
            if each.source == name
        ]
        said.append(f"The {broker.exchanges[name].type} exchange {name} sends {', '.join(ways)}.")
    graves = {state.name: _grave(state) for state in broker.queues.values()}
    said += [f"Dead letters of {name} go to {grave[1]}." for name, grave in graves.items() if grave]
    if exchange is not None:
        what = f"the headers {dict(headers)}" if headers else f"the routing key {key!r}"
        where = " and ".join(reached) or "no queue"
        said.append(f"A message with {what} gets to {where}.")
    return " ".join(said)
