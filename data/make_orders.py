"""Make orders.csv: five minutes of orders in an imaginary shop, with a flash sale in the middle.

The trace is synthetic. Orders are a Poisson process whose rate is 24 per second, and climbs to 60
per second during the flash sale, from 120 s to 165 s; it is drawn by thinning (Lewis & Shedler
1979). Each order has between one and six items. Run from the top of the repository:

    python data/make_orders.py
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
SECONDS = 300
USUAL, SALE = 24.0, 60.0
SALE_FROM, SALE_TO = 120.0, 165.0


def orders() -> str:
    """The whole file as text."""
    rng = np.random.default_rng(20260115)
    candidates = np.cumsum(rng.exponential(1 / SALE, int(2 * SALE * SECONDS)))
    candidates = candidates[candidates < SECONDS]
    in_sale = (candidates >= SALE_FROM) & (candidates < SALE_TO)
    keep = rng.random(len(candidates)) < np.where(in_sale, SALE, USUAL) / SALE
    items = rng.integers(1, 7, len(candidates))
    lines = ["time,items"]
    for second, count in zip(candidates[keep], items[keep], strict=True):
        time = START + timedelta(milliseconds=int(1000 * second))
        lines.append(f"{time.isoformat(timespec='milliseconds')},{count}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("orders.csv").write_text(orders(), encoding="utf-8")
