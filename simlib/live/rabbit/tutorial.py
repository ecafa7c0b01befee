"""The code that introductions to RabbitMQ print, flaws and all, to be tried and to be counted.

Nothing else in simlib uses it. :mod:`simlib.live.rabbit.flaws` tries it, beside what to use in its
place. The functions whose names begin with ``mended`` are the same without the flaws, and no more:
they stop with the first connection that is lost.
"""
# ruff: noqa: D103

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from typing import Any

COMMAND = ("rabbitmqctl", "declare", "queue", "name=orders", "durable=true")


def declare_exchange(channel: Any) -> None:
    channel.exchange_declare(exchange="orders", type="topic")


def declare_own_queue(channel: Any) -> None:
    channel.queue_declare(exclusive=True)


def open_channel(parameters: Any, queue: str) -> Any:
    import pika

    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare(queue=queue, durable=True)
    return channel


def send(channel: Any, queue: str, body: bytes) -> None:
    channel.basic_publish(exchange="", routing_key=queue, body=body)


def receive(channel: Any, queue: str, work: Any) -> None:
    def callback(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        work(body)

    channel.basic_consume(queue=queue, on_message_callback=callback, auto_ack=True)
    channel.start_consuming()


def mended_open_channel(parameters: Any, queue: str) -> Any:
    import pika

    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare(queue=queue, durable=True)
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=10)
    return channel


def mended_send(channel: Any, queue: str, body: bytes) -> None:
    import pika

    persistent = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("", queue, body, persistent, mandatory=True)


def mended_receive(channel: Any, queue: str, work: Any) -> None:
    def callback(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        work(body)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(queue=queue, on_message_callback=callback)
    channel.start_consuming()


def statements(code: Iterable[Any]) -> int:
    """How many statements functions, classes or modules have, without words and imports."""
    trees = [ast.parse(textwrap.dedent(inspect.getsource(each))) for each in code]
    return sum(
        isinstance(node, ast.stmt)
        and not isinstance(node, ast.Import | ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for tree in trees
        for node in ast.walk(tree)
    )


SERVICE = """
from flask import Flask

app = Flask(__name__)
password = "tiger"  # of the database
prices = {"chair": 40}

@app.route("/orders/<item>")
def price(item):
    return {"price": prices[item]}

app.run(debug=True)
"""
