"""Make incidents.csv: who is named in 300 incidents, by three figures. Takes some minutes.

python data/make_incidents.py [FILE]
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from simlib.scenarios import Incident
from simlib.tracing import rises, self_time_by_name

SHARES = (0.2, 0.05)
SEEDS = 300
COLUMNS = ("share", "seed", "service", "cause", "self_time", "named", "duration_mean", "p95")


def row(share: float, seed: int) -> tuple[float, int, str, str, str, str, str, str]:
    """The fault of an incident, and what a rule finds: the service whose figure rose most.

    Of the service with the largest rise of self time also the name of the spans that rose most.
    """
    case = Incident(share=share).run(seed)
    by = {
        figure: rises(case.spans, case.healthy, figure)[0].service
        for figure in ("self_time", "duration_mean", "duration_p95")
    }
    now, then = (self_time_by_name(spans, by["self_time"]) for spans in (case.spans, case.healthy))
    named = max(now, key=lambda name: now[name] - then.get(name, 0.0))
    found = by["self_time"], named, by["duration_mean"], by["duration_p95"]
    return share, seed, case.service, case.cause, *found


def main() -> None:
    """Write the file; by default beside this one."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("incidents.csv")
    with place.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        for share in SHARES:
            lines.writerows(row(share, seed) for seed in range(SEEDS))


if __name__ == "__main__":
    main()
