"""The same patterns on real things: threads and servers. Only measured time passes here.

:class:`RabbitMQ` is a server behind the interface of :class:`simlib.broker.Broker`;
:mod:`simlib.live.rabbit` is how one uses it in earnest.
"""

from .rabbitmq import RabbitMQ

__all__ = ["RabbitMQ"]
