"""The real things: the same interfaces on servers that run beside the program."""

from .rabbitmq import RabbitMQ

__all__ = ["RabbitMQ"]
