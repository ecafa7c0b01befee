"""A simulated queue held against a formula: M/M/1 at 80 % load, with an interval."""

from simlib import Exponential
from simlib.analysis import replicate
from simlib.scenarios import PointToPoint
from simlib.theory import mm1

shop = PointToPoint(
    interarrival=Exponential(mean=1.25),  # seconds between messages
    service=Exponential(mean=1.0),  # seconds of work
    messages=20_000,
    warmup=1_000,  # messages that are left out of averages
)
theory = mm1(arrival_rate=1 / 1.25, service_rate=1.0)
runs = replicate(shop, replications=20, seed=1)

for metric, expected in [
    ("latency_mean", theory.W),
    ("queue_mean", theory.Lq),
    ("utilisation", theory.utilisation),
]:
    found = runs.interval(metric)
    inside = "inside" if found.low <= expected <= found.high else "outside"
    observed = f"{found.mean:.3f} ± {found.half_width:.3f}"
    print(f"{metric:12}  theory {expected:.3f}  runs {observed}  {inside}")
