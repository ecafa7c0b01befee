"""Who sends what to whom: the still picture of messages that move."""

from __future__ import annotations

from collections import Counter

from matplotlib.axes import Axes

from ...analysis.metrics import quantity
from ..hops import Hops, Sort
from ..pictures import COLOURS, axes

__all__ = ["moves", "moves_in_words"]

QUIET = "0.45"
CURVE = {Sort.FIRST: 0.0, Sort.AGAIN: -0.25, Sort.REPLY: 0.25}
ROUND = -0.15
COLOUR = {Sort.FIRST: COLOURS[0], Sort.AGAIN: COLOURS[1], Sort.REPLY: COLOURS[2]}


def moves(hops: Hops, ax: Axes | None = None) -> Axes:
    """The places, and how often something went from one to another.

    Parameters
    ----------
    hops : Hops
        What moved in a run.
    ax : Axes, optional
        Where to draw.
    """
    columns = hops.places
    # A thing alone is at one place at a time.
    most = hops.most() if hops.traces > 1 else {}
    rows = max(map(len, columns), default=1)
    if ax is None:
        made = axes(max(6.0, 2.1 * len(columns)), max(1.4, 0.9 * rows))
        assert isinstance(made, Axes)
        ax = made
    figure = ax.get_figure(root=True)
    assert figure is not None
    width, high = figure.get_size_inches()
    wide = (width / max(1, len(columns))) / (high / (rows + 0.2))
    boxes = {}
    for column, names in enumerate(columns):
        for row, name in enumerate(names):
            y = (len(names) - 1) / 2 - row
            said = name if name not in most else f"{name}\nat most {most[name]}"
            boxes[name] = ax.text(
                column,
                y,
                said,
                ha="center",
                va="center",
                fontsize=10,
                bbox={"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": QUIET},
            )
    counts = hops.counts()
    for (origin, target), counted in counts.items():
        back = counts.get((target, origin), Counter())
        here, there = boxes[origin].get_position(), boxes[target].get_position()
        for sort, times in sorted(counted.items()):
            # What goes back, or past a place, goes round.
            straight = there[0] - here[0] == 1
            curve = CURVE[sort] if straight or sort is not Sort.FIRST else ROUND
            if sort is Sort.REPLY and back[Sort.AGAIN]:
                curve += 0.15  # beside what goes there again
            arrow = {
                "arrowstyle": "-|>",
                "color": COLOUR[sort],
                "patchA": boxes[origin].get_bbox_patch(),
                "patchB": boxes[target].get_bbox_patch(),
                "connectionstyle": f"arc3,rad={curve}",
            }
            ax.annotate("", there, here, arrowprops=arrow)
            # Arrows that curve bulge to one side of the line between the two.
            bend = curve / 2 * wide
            (x, y), (to_x, to_y) = here, there
            ax.text(
                x + 0.5 * (to_x - x),
                y + 0.5 * (to_y - y) - bend * (to_x - x),
                f"{times:,}",
                ha="center",
                va="center",
                fontsize=9,
                color=COLOUR[sort],
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
    height = (rows - 1) / 2
    ax.set(xlim=(-0.5, max(len(columns), 1) - 0.5), ylim=(-height - 0.6, height + 0.6))
    ax.axis("off")
    ax.set_label(moves_in_words(hops))
    return ax


def moves_in_words(hops: Hops) -> str:
    """What is to be seen, for those who can't see it."""
    ways = [
        f"{origin} to {target} {_times(counted)}"
        for (origin, target), counted in hops.counts().items()
    ]
    most = hops.most() if hops.traces > 1 else {}
    there = [f"{count} at {place}" for place, count in most.items()]
    said = f"{quantity(hops.traces, 'messages')} on the move: {'; '.join(ways) or 'none moves'}."
    return f"{said} At most at once: {', '.join(there)}." if there else said


def _times(counted: Counter[Sort]) -> str:
    again = counted[Sort.AGAIN]
    total = f"{sum(counted.values()):,}"
    return f"{total}, of them {again:,} again or in vain" if again else total
