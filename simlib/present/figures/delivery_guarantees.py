"""How delivery guarantees look: what was lost, what was done twice, and the money."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...analysis.result import Result
from ..pictures import COLOURS, prepared

__all__ = ["lost_and_doubled"]


def lost_and_doubled(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many messages had no effect, how many effects were too many, and how wrong the money is.

    Parameters
    ----------
    results : mapping
        Results of ``DeliveryGuarantees`` by name; a bar each.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    said = []
    rows = {name: result.summary() for name, result in results.items()}
    most = max([1.0, *(max(row["missing"], row["surplus"]) for row in rows.values())])
    for place, (name, row) in enumerate(rows.items()):
        ax.barh(place, -row["missing"], color=COLOURS[1], label=None if place else "never booked")
        ax.barh(
            place, row["surplus"], color=COLOURS[0], label=None if place else "booked too often"
        )
        wrong = f"{row['money_wrong']:+,.0f}".replace("-", "−")
        money = f"money wrong by {wrong}" if row["money_wrong"] else "money right"
        ax.annotate(money, (1.08 * most, place), va="center", annotation_clip=False)
        said.append(
            f"{name}: {row['missing']:,.0f} never booked, {row['surplus']:,.0f} booked too often, "
            f"{money}"
        )
    ax.axvline(0, color="black", linewidth=1)
    ax.set(xlim=(-1.05 * most, 1.05 * most), xlabel="messages", yticks=range(len(rows)))
    ax.set_yticklabels(list(rows))
    ax.yaxis.set_inverted(True)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    ax.grid(visible=False, axis="y")
    ax.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    ax.set_label(f"Messages lost and doubled. {'; '.join(said)}.")
    return ax
