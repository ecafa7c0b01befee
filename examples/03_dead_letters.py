"""An order that nobody can work on is tried three times, and then put aside with the reason."""

from simlib.broker import Broker, Delivery

broker = Broker()
broker.declare_queue("aside")
broker.declare_queue(
    "orders",
    delivery_limit=2,  # It may come back twice.
    dead_letter_exchange="",  # The default exchange: by the name of the queue.
    dead_letter_routing_key="aside",
)
channel = broker.channel()


def work(delivery: Delivery) -> None:
    """Do what can be done, and give back what can't."""
    if delivery.body == b"order 2":
        print(f"attempt {delivery.attempts} at {delivery.body.decode()} fails")
        channel.nack(delivery.delivery_tag, requeue=True)
    else:
        print(delivery.body.decode(), "is done")
        channel.ack(delivery.delivery_tag)


channel.consume("orders", work)
for number in range(1, 4):
    broker.publish("", "orders", f"order {number}".encode())

letter = broker.channel().get("aside")
assert letter is not None
(death,) = letter.headers["x-death"]
print(f"put aside: {letter.body.decode()}, from {death['queue']!r}, reason {death['reason']!r}")
