"""The spans of orders that cross services: who did what for each, by what was noted of it.

An order has a trace. What is in it::

    order              customer  asked for, until nothing more happens to it
      request          orders    a try of the customer's request; or a conductor's
        reserve        stock     what a conductor asks for, there and back; release and charge, too
      publish          who       from a relay, or whoever else publishes, until the broker has it
      queue            queue     of a service, stored, until it is acked
        process        service   an attempt, until its ack or its crash
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from .context import TraceContext
from .spans import Kind, Parties, Span

__all__ = ["spans_of_visits"]

KINDS = {"publish": Kind.PRODUCER, "queue": Kind.INTERNAL, "process": Kind.CONSUMER}


def spans_of_visits(run: Any, parties: Parties, share: float) -> list[Span]:
    """A run as spans, trace by trace, in each of them a parent before its children.

    Parameters
    ----------
    run : Result
        A run whose ``visits`` were noted.
    parties : Parties
        What the sender is called.
    share : float
        The fraction of the traces that is made, 0 to 1.
    """
    rows: dict[int, list[int]] = {}
    for row, message in enumerate(run.visits.message):
        rows.setdefault(message, []).append(row)
    # What was repeated may go on when all orders are finished.
    until = max([run.duration, *(end for end in run.visits.end if not isnan(end))])
    spans: list[Span] = []
    created, outcomes = run.messages["created"].tolist(), run.messages["outcome"].tolist()
    for order in zip(range(len(created)), created, outcomes, strict=True):
        root = TraceContext.numbered(run.seed, order[0])
        if root.falls_within(share):
            spans += _trace(run.visits, until, parties.sender, root, order, rows.get(order[0], []))
    return spans


def _trace(
    visits: Any,
    until: float,
    sender: str,
    root: TraceContext,
    order: tuple[int, float, str],
    rows: Sequence[int],
) -> list[Span]:
    """The spans of an order: its number, when it was asked for (s), and what became of it."""
    number, created, outcome = order
    ends = {row: until if isnan(visits.end[row]) else visits.end[row] for row in rows}
    context = root.numbered_child(0)
    contexts = {row: root.numbered_child(place) for place, row in enumerate(rows, 1)}
    spans = [
        Span(
            context=context,
            parent_id=None,
            name="order",
            service=sender,
            start=created,
            end=max([created, *ends.values()]),
            outcome=outcome,
            error=outcome == "lost",
            attributes={"message": number},
        )
    ]
    for row in rows:
        parent, cause = visits.parent[row], visits.cause[row]
        spans.append(
            Span(
                context=contexts[row],
                parent_id=contexts.get(parent, context).span_id,
                name=visits.name[row],
                service=visits.by[row],
                kind=KINDS.get(visits.name[row], Kind.SERVER),
                start=visits.start[row],
                end=ends[row],
                error=bool(cause),
                outcome="interrupted" if cause else "",
                cause=cause,
                attributes={"event": visits.event[row]} if visits.event[row] else {},
            )
        )
    return spans
