"""What fails is tried again after a pause, by way of a queue with a time limit: one run each."""

from simlib import Exponential, Outage
from simlib.scenarios import Binding, Exchange, Group, Queue, Topology


def orders(pause: float) -> Topology:
    """Orders that are billed, if need be after a pause (s)."""
    billing = Group(
        consumes=("billing",),
        consumers=2,
        service=Exponential(mean=0.5),
        failing=0.1,
        on_failure="reject",  # a rejected message goes to the dead letters of its queue …
        attempts=4,  # … and comes back from there, until it has had so many
        parked="parked",
    )
    return Topology(
        interarrival=Exponential(mean=0.4),
        exchanges=(Exchange(name="orders"),),
        queues=(
            Queue(name="billing", dead_letters="later"),
            Queue(name="later", ttl=pause, dead_letters="billing"),
            Queue(name="parked"),
        ),
        bindings=(Binding(source="orders", to="billing", key="*.paid"),),
        groups=(billing,),
        publish_to="orders",
        routing_keys={"shop.paid": 1.0},
        messages=5_000,
        outages=(Outage(of="consumers", start=600, duration=60),),
    )


for pause in [1.0, 60.0]:
    figures = orders(pause).run(seed=1).summary()
    print(f"a pause of {pause:g} s: 99 % are billed within {figures['latency_p99']:.0f} s")
