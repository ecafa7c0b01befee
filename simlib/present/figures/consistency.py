"""What a crash after each step leaves, as a map: a row for each way, a mark for each step."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from ..pictures import COLOURS, axes

__all__ = ["crash_points"]

ALL_WELL, PENDING, BROKEN = "all is well", "pending for ever", "wrong money, stock or orders"


def crash_points(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Axes:
    """Mark after which steps a crash leaves something wrong at rest.

    Parameters
    ----------
    rows : mapping
        By the name of a row, and of a step: the summary of a run of ``Consistency`` that crashed
        after it.
    """
    longest = max(len(steps) for steps in rows.values())
    ax = axes(width=8.5, height=1.2 + 0.85 * len(rows))
    assert isinstance(ax, Axes)
    marks = {ALL_WELL: ("o", COLOURS[0]), PENDING: ("s", COLOURS[2]), BROKEN: ("X", COLOURS[1])}
    places: dict[str, list[tuple[int, int]]] = {name: [] for name in marks}
    said = []
    for y, (name, steps) in enumerate(rows.items()):
        wrong = []
        for x, (step, summary) in enumerate(steps.items()):
            state = ALL_WELL
            if summary["broken"]:
                state = PENDING if summary["pending"] else BROKEN
                wrong.append(step)
            places[state].append((x, y))
            label = step.replace(" ", "\n")
            ax.annotate(label, (x, y), (0, -9), textcoords="offset points", ha="center", va="top")
        said.append(
            f"{name}: {len(wrong)} of {len(steps)}{': ' if wrong else ''}{', '.join(wrong)}"
        )
    for state, (marker, colour) in marks.items():
        if places[state]:
            xs, ys = zip(*places[state], strict=True)
            ax.plot(xs, ys, linestyle="none", marker=marker, color=colour, ms=9, label=state)
    for text in ax.texts:
        text.set_fontsize(8)
    ax.set(
        xlim=(-0.6, longest - 0.4),
        ylim=(len(rows) - 0.2, -0.6),
        xticks=[],
        yticks=range(len(rows)),
        xlabel="the step after which it crashes, in the order of the steps",
    )
    ax.set_yticklabels(list(rows))
    ax.grid(visible=False)
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False)
    ax.set_label(f"Steps after which a crash leaves something wrong. {'; '.join(said)}.")
    return ax
