"""How publish and subscribe looks: a line for each queue."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from ...analysis.result import Result
from .runs import queue_over_time

__all__ = ["subscribers_over_time"]


def subscribers_over_time(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many copies there are in each queue or with its subscriber at each time.

    Queues that are equally long all the time share a line. Where all compete for one queue, there
    is a line for those copies that each subscriber has done in the end, and one for those that
    nobody has.

    Parameters
    ----------
    results : mapping
        Results of ``PublishSubscribe`` by name.
    ax : Axes, optional
        Where to draw.
    """
    parts = {}
    for name, result in results.items():
        queues = getattr(result.scenario, "queues", [])
        if len(queues) > 1:
            chosen = {each: result.labels["queue"] == place for place, each in enumerate(queues)}
        else:
            by = result.labels["subscriber"]
            names = [f"done by subscriber {place + 1}" for place in range(by.max(initial=0) + 1)]
            chosen = {each: by == place for place, each in enumerate(names)}
            if (by < 0).any():
                chosen["done by nobody in the end"] = by < 0
        found = {each: result.part(which) for each, which in chosen.items()}
        for each, part in _told_once(found).items():
            parts[each if len(results) == 1 else f"{name}: {each}"] = part
    return queue_over_time(parts, ax)


def _told_once(parts: Mapping[str, Result]) -> dict[str, Result]:
    """The same, with those that are alike at every moment under one name, as one line."""
    alike: list[tuple[list[str], Result]] = []
    for name, part in parts.items():
        for names, other in alike:
            if part.series["in_system"].equals(other.series["in_system"]):
                names.append(name)
                break
        else:
            alike.append(([name], part))
    return {", ".join(names): part for names, part in alike}
