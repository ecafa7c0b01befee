"""Pictures of spans: the life of one message, who calls whom, and where the time goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from ...analysis.metrics import quantity
from ...tracing import Edge, Span, by_service, self_times, service_map
from ...tracing.measures import children_of, uncovered
from ..pictures import COLOURS, axes

__all__ = ["queue_by_queue", "self_time_bars", "timeline", "who_calls_whom"]

BAD = COLOURS[1]
QUIET = "0.45"

SPELLED_OUT = 12
"""The most spans of a trace that its description goes through one by one."""

_PHASES = ("waiting", "deliver", "work", "ack", "blocked")


def timeline(spans: Sequence[Span], ax: Axes | None = None) -> Axes:
    """One message's life: a bar for each span of its trace, beneath what caused it.

    A bar is full where the span was by itself, and pale where its children were at it.

    Parameters
    ----------
    spans : sequence of Span
        Those of one trace, in any order.
    ax : Axes, optional
        Where to draw.
    """
    traces = {each.trace_id for each in spans}
    if len(traces) != 1:
        raise ValueError(
            f"spans must be those of one trace, got {len(traces)}: choose one, such as "
            "[each for each in spans if each.trace_id == spans[0].trace_id]"
        )
    rows, children = list(_depth_first(spans)), children_of(spans)
    colours = _colours([each.service for _, each in rows])
    ax = _roomy(ax, len(rows))
    named = set[str]()
    for place, (_, span) in enumerate(rows):
        colour = colours[span.service]
        ax.barh(place, span.duration, left=span.start, color=colour, alpha=0.25, height=0.7)
        own = [(start, end - start) for start, end in uncovered(span, children.get(_key(span), ()))]
        ax.broken_barh(
            own or [(span.start, 0)],
            (place - 0.35, 0.7),
            facecolor=colour,
            edgecolor=colour,
            label=None if span.service in named else span.service,
        )
        named.add(span.service)
        if span.error:
            said = f" × {span.cause or span.outcome}"
            ax.annotate(said, (span.end, place), va="center", color=BAD, annotation_clip=False)
    ax.set(xlabel="simulated time (s)", ylabel="spans", yticks=range(len(rows)))
    ax.set_yticklabels([f"{'   ' * depth}{span.name}" for depth, span in rows], ha="left")
    ax.tick_params(axis="y", pad=20 + 6 * max(len(s.name) + 3 * depth for depth, s in rows))
    ax.yaxis.set_inverted(True)
    ax.grid(visible=False, axis="y")
    _legend_below(ax)
    ax.set_label(_life_in_words(rows))
    return ax


def _life_in_words(rows: Sequence[tuple[int, Span]]) -> str:
    root = rows[0][1]
    said = []
    for _, span in rows[1 : SPELLED_OUT + 1]:
        fate = f", {span.cause or span.outcome}" if span.error else ""
        since = quantity(span.start - root.start, "s")
        said.append(f"{span.name} ({span.service}) after {since} for {_took(span)}{fate}")
    if len(rows) > SPELLED_OUT + 1:
        said.append(f"and {len(rows) - SPELLED_OUT - 1} more")
    return f"Timeline of a {root.name} of {_took(root)}: {'; '.join(said) or 'nothing else'}."


def _took(span: Span) -> str:
    return quantity(span.duration, "s")


def _depth_first(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """How deep each span lies and itself, a parent before its children, these as they begin."""
    children, known = children_of(spans), {_key(each) for each in spans}
    roots = [each for each in spans if (each.trace_id, each.parent_id or "") not in known]
    open_spans = [(0, each) for each in sorted(roots, key=lambda span: -span.start)]
    while open_spans:
        depth, span = open_spans.pop()
        yield depth, span
        # Of those that begin together the first to be made comes first.
        below = sorted(children.get(_key(span), ()), key=lambda each: each.start)
        open_spans += [(depth + 1, each) for each in reversed(below)]


def _key(span: Span) -> tuple[str, str]:
    return span.trace_id, span.span_id


def who_calls_whom(spans: Sequence[Span], ax: Axes | None = None) -> Axes:
    """The services, and on the arrows between them how often, how well and how long.

    Parameters
    ----------
    spans : sequence of Span
        Those of a run.
    ax : Axes, optional
        Where to draw.
    """
    edges = service_map(spans)
    figures = {each.service: each for each in by_service(spans)}
    columns = _columns(list(figures), edges)
    deepest = max(map(len, columns), default=1)
    if ax is None:
        made = axes(max(6.0, 2.6 * len(columns)), max(2.4, 1.1 * deepest))
        assert isinstance(made, Axes)
        ax = made
    places = {
        name: (float(column), (len(names) - 1) / 2 - row)
        for column, names in enumerate(columns)
        for row, name in enumerate(names)
    }
    boxes = {}
    for name, (x, y) in places.items():
        own = quantity(figures[name].self_time, "s")
        boxes[name] = ax.text(
            x,
            y,
            f"{name}\n{own} by itself",
            ha="center",
            va="center",
            fontsize=10,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": QUIET},
        )
    for edge in edges:
        _draw_edge(ax, edge, boxes[edge.caller], boxes[edge.callee])
    height = (deepest - 1) / 2
    ax.set(xlim=(-0.5, max(len(columns), 1) - 0.5), ylim=(-height - 0.7, height + 0.7))
    ax.axis("off")
    said = [f"{edge.caller} to {edge.callee}: {_in_words(edge)}" for edge in edges]
    ax.set_label(f"Map of {len(figures)} services. {'; '.join(said) or 'No calls'}.")
    return ax


def _draw_edge(ax: Axes, edge: Edge, caller: Text, callee: Text) -> None:
    colour = BAD if edge.errors else QUIET
    here, there = caller.get_position(), callee.get_position()
    arrow = {
        "arrowstyle": "-|>",
        "color": colour,
        "linewidth": 1.5,
        "patchA": caller.get_bbox_patch(),
        "patchB": callee.get_bbox_patch(),
        # Arrows that go back, or past a service, go round.
        "connectionstyle": f"arc3,rad={0.0 if there[0] - here[0] == 1 else 0.3}",
    }
    ax.annotate("", there, here, arrowprops=arrow)
    x, y = ((start + end) / 2 for start, end in zip(here, there, strict=True))
    ax.text(
        x,
        y,
        _in_words(edge).replace(", ", "\n"),
        ha="center",
        va="center",
        fontsize=8,
        color=colour if edge.errors else None,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def _in_words(edge: Edge) -> str:
    failed = f", {quantity(edge.errors, '%', 2)} fail" if edge.errors else ""
    return f"{quantity(edge.rate, '1/s')}, {quantity(edge.duration_mean, 's')}{failed}"


def _columns(services: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    """The services by how many others lie before them, those in front first."""
    depth = dict.fromkeys(services, 0)
    # As many rounds as there are services: services that call in a circle end there, too.
    for _ in services:
        for edge in edges:
            if depth[edge.caller] < len(services) - 1:
                depth[edge.callee] = max(depth[edge.callee], depth[edge.caller] + 1)
    levels = sorted(set(depth.values()))
    return [[name for name in services if depth[name] == level] for level in levels]


def self_time_bars(runs: Mapping[str, Sequence[Span]], ax: Axes | None = None) -> Axes:
    """What each service spends on a request by itself, on the average, and not with others.

    Parameters
    ----------
    runs : mapping
        The spans of a run by its name; a bar each, for each service.
    ax : Axes, optional
        Where to draw.
    """
    means = {
        name: {each.service: each.self_time for each in by_service(spans)}
        for name, spans in runs.items()
    }
    services = list(dict.fromkeys(service for each in means.values() for service in each))
    ax = _roomy(ax, len(services) * len(runs))
    thick = 0.8 / max(1, len(runs))
    said = []
    for place, (name, own) in enumerate(means.items()):
        rows = [row - 0.4 + (place + 0.5) * thick for row in range(len(services))]
        lengths = [own.get(service, 0.0) for service in services]
        ax.barh(rows, lengths, thick, color=COLOURS[place % len(COLOURS)], label=name)
        told = ", ".join(f"{service} {quantity(spent, 's')}" for service, spent in own.items())
        said.append(f"{name}: {told}")
    _by_rows(ax, services, "self time per request, mean (s)", "services")
    if len(runs) > 1:
        ax.legend(frameon=False)
    ax.set_label(f"Self time of each service. {'; '.join(said)}.")
    return ax


def queue_by_queue(spans: Sequence[Span], ax: Axes | None = None) -> Axes:
    """Of each queue, what the time of a message in it is spent on, on the average.

    Parameters
    ----------
    spans : sequence of Span
        Those of a run.
    ax : Axes, optional
        Where to draw.
    """
    spent = _phases_of_queues(spans)
    ax = _roomy(ax, len(spent))
    left = dict.fromkeys(spent, 0.0)
    for place, phase in enumerate(_PHASES):
        lengths = [spent[queue][phase] for queue in spent]
        if any(lengths):
            colour = COLOURS[place]
            ax.barh(list(spent), lengths, 0.7, list(left.values()), color=colour, label=phase)
            left = {queue: left[queue] + spent[queue][phase] for queue in spent}
    _by_rows(ax, list(spent), "time per message, mean (s)", "queues")
    _legend_below(ax)
    said = [
        f"{queue}: "
        + (", ".join(f"{name} {quantity(t, 's')}" for name, t in phases.items() if t) or "no time")
        for queue, phases in spent.items()
    ]
    ax.set_label(f"Where the time of a message goes, queue by queue. {'; '.join(said)}.")
    return ax


def _phases_of_queues(spans: Sequence[Span]) -> dict[str, dict[str, float]]:
    """Mean time (s) of each phase of a message in each queue."""
    children, own = children_of(spans), dict(zip(map(_key, spans), self_times(spans), strict=True))
    totals: dict[str, dict[str, float]] = {}
    messages: dict[str, int] = defaultdict(int)
    for queue in (each for each in spans if each.name in ("queue", "serve")):
        phases = totals.setdefault(queue.service, dict.fromkeys(_PHASES, 0.0))
        messages[queue.service] += 1
        phases["waiting"] += own[_key(queue)]
        for attempt in children.get(_key(queue), ()):
            # What nobody works on waits, though it is delivered.
            phases["deliver"] += own[_key(attempt)]
            for phase in children.get(_key(attempt), ()):
                phases[phase.name] += phase.duration
    return {
        queue: {phase: time / messages[queue] for phase, time in phases.items()}
        for queue, phases in totals.items()
    }


def _by_rows(ax: Axes, names: Sequence[str], xlabel: str, ylabel: str) -> None:
    ax.set(xlabel=xlabel, ylabel=ylabel, yticks=range(len(names)), xlim=(0, None))
    ax.set_yticklabels(list(names))
    ax.yaxis.set_inverted(True)
    ax.grid(visible=False, axis="y")


def _legend_below(ax: Axes) -> None:
    if not ax.get_legend_handles_labels()[0]:
        return
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    height = figure.get_figheight()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.7 / height), ncols=5, frameon=False)


def _roomy(ax: Axes | None, rows: int) -> Axes:
    """Where to draw so many rows: what was given, or Axes high enough for them."""
    if ax is not None:
        return ax
    made = axes(8, max(2.4, 1.2 + 0.28 * rows))
    assert isinstance(made, Axes)
    return made


def _colours(services: Sequence[str]) -> dict[str, str]:
    names = dict.fromkeys(services)
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
