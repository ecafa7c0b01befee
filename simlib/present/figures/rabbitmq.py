"""What the tutorial's code costs on a RabbitMQ server, and what the right code does."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ...live.rabbit.flaws import Finding
from ...live.rabbit.rates import BASE, Rate
from ..pictures import COLOURS, axes

__all__ = ["lost_by_way", "rates_by_way"]

WRONG, RIGHT = COLOURS[1], COLOURS[2]


def lost_by_way(findings: Sequence[Finding], ax: Axes | None = None) -> Axes:
    """Of each trial, the share of its messages that was lost: wrong and right.

    Parameters
    ----------
    findings : sequence of Finding
        Of trials that are about messages; others are left out.
    ax : Axes, optional
        Where to draw.
    """
    shares: dict[str, dict[bool, float]] = {}
    for each in findings:
        if each.messages:
            shares.setdefault(each.trial, {})[each.way == "right"] = each.lost / each.messages
    names = [name for name, both in shares.items() if any(both.values())]
    ax = ax or axes(8, 1.2 + 0.55 * len(names))
    said = []
    for place, name in enumerate(names):
        for right, colour, label in ((False, WRONG, "tutorial"), (True, RIGHT, "done right")):
            share = 100 * shares[name][right]
            row = place + (0.2 if right else -0.2)
            ax.barh(row, share, 0.36, color=colour, label=label if place == 0 else None)
            if not share:  # A bar of no length can't be seen.
                ax.plot([0], [row], "o", color=colour, clip_on=False)
            ax.annotate(
                f"{share:.0f} %", (share, row), (6, 0), textcoords="offset points", va="center"
            )
        said.append(f"{name}: {100 * shares[name][False]:.0f} and {100 * shares[name][True]:.0f}")
    ax.set(xlabel="messages lost (%)", ylabel="trials", xlim=(0, 112), yticks=range(len(names)))
    ax.set_yticklabels(names)
    ax.yaxis.set_inverted(True)
    ax.grid(visible=False, axis="y")
    if names:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    ax.set_label(f"Messages lost in % by the tutorial's code, and done right. {'; '.join(said)}.")
    return ax


def rates_by_way(rates: Sequence[Rate], ax: Axes | None = None) -> Axes:
    """How fast each way is beside waiting for each confirm, with the middle half of its rounds.

    Parameters
    ----------
    rates : sequence of Rate
        As measured or recorded.
    ax : Axes, optional
        Where to draw.
    """
    ax = ax or axes(8, 1.2 + 0.33 * len(rates))
    said: dict[str, list[str]] = {}
    for place, each in enumerate(rates):
        colour = COLOURS[0] if each.what == "publish" else COLOURS[3]
        first = each.what not in said
        ax.plot([each.low, each.high], [place, place], color=colour, linewidth=3, alpha=0.4)
        ax.plot([each.ratio], [place], "o", color=colour, label=each.what if first else None)
        said.setdefault(each.what, []).append(f"{each.way} {each.ratio:.2g}")
    ax.axvline(1, color="0.45", linewidth=1, linestyle="--")
    ax.set(
        xlabel=f"messages per second, in units of publishing with a {BASE}",
        ylabel="ways",
        yticks=range(len(rates)),
        xscale="log",
    )
    ax.set_yticklabels([each.way for each in rates])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_inverted(True)
    ax.grid(visible=False, axis="y")
    ax.legend(loc="lower left")
    words = "; ".join(f"{what}: {', '.join(ways)}" for what, ways in said.items())
    ax.set_label(f"Speed of each way, in units of a {BASE}. {words}.")
    return ax
