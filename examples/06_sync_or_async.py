"""The service behind goes down for ten seconds: what do callers see, who waits, who loses?"""

from simlib import Exponential, Outage
from simlib.scenarios import SyncVsAsync

calling = SyncVsAsync(
    interarrival=Exponential(mean=0.05),  # 20 requests per second
    service=Exponential(mean=0.1),  # of 0.1 s each, by 4 workers
    duration=60,
    outages=(Outage(of="service", start=20, duration=10),),
)

for mode in ["sync", "async"]:
    result = calling.replace(mode=mode).run(seed=1)
    figures = result.summary()
    ledger = result.ledger
    print(f"{mode}: {ledger.published} requests, of which {ledger.acked} were done")
    print(f"  failed or refused: {ledger.lost + ledger.dropped}", end="")
    print(f", unfinished at the end: {ledger.ready + ledger.unacked}")
    print(f"  caller occupied: {figures['caller_mean']:.3f} s on average")
    print(f"  until it is done: {figures['latency_mean']:.3f} s on average,", end="")
    print(f" {figures['latency_p99']:.1f} s for the slowest 1 %")
