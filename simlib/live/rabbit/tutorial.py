"""The code that introductions to RabbitMQ print, flaws and all, to be tried and to be counted.

Nothing else in simlib uses it. What to use in its place stands beside each in
:mod:`simlib.live.rabbit.flaws`.
"""
# ruff: noqa: D103

from __future__ import annotations

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
