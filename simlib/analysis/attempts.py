"""Every delivery and call of a run: those in vain as they were noted, the others from messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..processes.attempts import Attempts
from ..processes.record import STANDS_FOR, instants

__all__ = ["InVain", "at_each_station", "every_attempt"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COLUMNS = (
    *("message", "attempt", "delivered", "start", "end", "released"),
    *("outcome", "by", "cause"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class InVain:
    """Attempts that came to nothing, each column of shape (attempts,)."""

    message: Integers
    """Whose attempt it was: the row of its message."""
    delivered: Floats
    """Begin of the delivery (s)."""
    released: Floats
    """End of the delivery (s)."""
    start: Floats
    """Begin of the work (s); NaN where there was none."""
    end: Floats
    """End of the work (s); NaN where there was none, or it went on to the end of the run."""
    by: Integers
    """Who made it, counted from 0; -1: not known."""
    outcome: NDArray[np.object_]
    """What became of it."""
    cause: NDArray[np.object_]
    """Why; empty where that is not known."""

    def __len__(self) -> int:
        return len(self.message)

    @classmethod
    def of(cls, attempts: Attempts) -> InVain:
        """Those that the processes noted."""
        return cls(
            message=np.array(attempts.message, np.int64),
            delivered=np.array(attempts.delivered, float),
            released=np.array(attempts.released, float),
            start=np.array(attempts.start, float),
            end=np.array(attempts.end, float),
            by=np.array(attempts.by, np.int64),
            outcome=np.array(attempts.outcome, object),
            cause=np.array(attempts.cause, object),
        )

    def renumbered(self, rows: Integers) -> InVain:
        """The same about messages that stand in other rows: ``rows[old]`` is the new one."""
        return InVain(**{**vars(self), "message": rows[self.message]})

    def part(self, chosen: NDArray[np.bool_]) -> InVain:
        """Those about some messages only, which are numbered anew."""
        kept = chosen[self.message]
        columns = {name: column[kept] for name, column in vars(self).items()}
        return InVain(**columns).renumbered(np.cumsum(chosen) - 1)


def every_attempt(
    columns: Mapping[str, Floats],
    labels: Mapping[str, Integers],
    fates: NDArray[np.object_],
    in_vain: InVain,
) -> pd.DataFrame:
    """A row per attempt, by message and in the order of delivery.

    Parameters
    ----------
    columns, labels : mapping
        What is known of each message by name, each of shape (messages,).
    fates : ndarray of shape (messages,)
        What became of each message.
    in_vain : InVain
        What was tried in vain.
    """
    stations = [
        _latest(columns, labels, fates, suffix).assign(station=station)
        for station, suffix in enumerate(_stations(columns), 1)
    ]
    vain = pd.DataFrame(vars(in_vain)).assign(station=1)
    # Sorting keeps the order of what is equal: of several at one instant the last one counts.
    table = pd.concat([vain, *stations], ignore_index=True) if len(vain) else pd.concat(stations)
    begin = table["delivered"].fillna(table["released"])
    table = table.iloc[np.lexsort((begin, table["station"], table["message"]))]
    table = table.reset_index(drop=True)
    table["attempt"] = table.groupby(["message", "station"]).cumcount() + 1
    table["by"] = table["by"].astype("Int64").mask(table["by"] < 0)
    for name in ("outcome", "cause"):
        table[name] = table[name].astype("category")
    return table[[*COLUMNS, *(["station"] if len(stations) > 1 else [])]]


def at_each_station(columns: Mapping[str, Floats], name: str) -> list[Floats]:
    """The column called so; in a line of stations, those called ``name_1``, ``name_2``, ..."""
    for known in (name, STANDS_FOR.get(name, name)):
        if numbered := [column for key, column in columns.items() if _is_at_station(key, known)]:
            return numbered
        if known in columns:
            return [columns[known]]
    raise KeyError(name)


def _is_at_station(key: str, name: str) -> bool:
    return key.startswith(f"{name}_") and key.removeprefix(f"{name}_").isdigit()


def _stations(columns: Mapping[str, Floats]) -> list[str]:
    """What the names of the columns of each station end with."""
    names = [key.removeprefix("started") for key in columns if _is_at_station(key, "started")]
    return names or [""]


def _latest(
    columns: Mapping[str, Floats],
    labels: Mapping[str, Integers],
    fates: NDArray[np.object_],
    station: str,
) -> pd.DataFrame:
    """The latest attempt at each message that was delivered, in vain ones left out."""
    start, end = columns[f"started{station}"], columns[f"finished{station}"]
    if station:  # What can't go on is held after it is finished.
        delivered, released = start, columns[f"left{station}"]
    else:
        delivered, released = instants(columns, "delivered"), instants(columns, "acked")
    message = np.flatnonzero(~np.isnan(delivered))
    unknown = np.full(len(delivered), -1)
    outcome = np.where(np.isnan(end if station else released), fates, "acked")
    return pd.DataFrame(
        {
            "message": message,
            "delivered": delivered[message],
            "released": released[message],
            "start": start[message],
            "end": end[message],
            "by": labels.get("subscriber", labels.get("consumer", unknown))[message],
            "outcome": outcome[message],
            "cause": "",
        }
    )
