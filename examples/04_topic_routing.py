"""Routing keys of words, and who gets what: * is one word, # is any number of them."""

from simlib.broker import Broker, UnroutableError

BINDINGS = {
    "billing": ["order.created.*"],
    "stock": ["order.*.eu", "stock.#"],
    "audit": ["#"],
    "nobody": [],
}

broker = Broker()
broker.declare_exchange("events", type="topic")
for queue, patterns in BINDINGS.items():
    broker.declare_queue(queue)
    for pattern in patterns:
        broker.bind(queue, "events", pattern)

for key in ["order.created.eu", "order.created.us", "order.cancelled.eu", "stock", "stock.low.eu"]:
    reached = broker.publish("events", key, b"...")
    print(f"{key:20} -> {', '.join(reached)}")

# One that fits two patterns of a queue is there once.
for name, state in broker.queues.items():
    print(f"{name:8} has {state.ready}")

broker.unbind("audit", "events", "#")
try:
    broker.publish("events", "invoice.sent", b"...", mandatory=True)
except UnroutableError as error:
    print(error)
