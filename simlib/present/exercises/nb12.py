"""Exercises of 12: what is wrong with the tutorial's code?"""

from ...broker import Broker, Delivery
from ..learning import Exercise

__all__ = ["EXERCISES"]


def _delivered_again(prefetch: int = 10, done: int = 3, messages: int = 100) -> int:
    """How many come back after a consumer with manual acks has crashed."""
    with Broker() as broker:
        broker.declare_queue("orders")
        for _ in range(messages):
            broker.publish("", "orders", b"")
        crashing, tags = broker.channel(), list[int]()

        def take(delivery: Delivery) -> None:
            tags.append(delivery.delivery_tag)

        crashing.consume("orders", take, prefetch=prefetch)
        for number in range(done):
            crashing.ack(tags[number])
        crashing.close()
        found = iter(lambda: broker.get("orders"), None)
        return sum(delivery.redelivered for delivery in found)


EXERCISES = {
    "12.1": Exercise(
        _delivered_again,
        tolerance=0,
        hints={
            "That is what auto_ack loses.": lambda: 97,
            "It holds more than the message in work.": lambda: 1,
            "Each ack made room for one more.": lambda: 7,
        },
    ),
    "12.2": Exercise(
        lambda: 2_000 * 0.004,
        tolerance=0,
        hints={
            "That many per second come of a window of one.": lambda: 250,
            "With half of it only half of the messages get through.": lambda: 4,
        },
    ),
    "12.3": Exercise(
        lambda: 3_600 / 300,
        tolerance=0,
        hints={
            "The ack fails, so it comes again.": lambda: 1,
            "The server gives up so often, but the callback notices when it is done.": lambda: 30,
        },
    ),
}
