"""What tests of real things share: servers, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NoReturn

import pytest

from simlib.live.measure import own_schema
from simlib.live.targets.postgres import SERVER

AMQP = "amqp://guest:guest@127.0.0.1:5672/%2F"


@pytest.fixture(scope="session")
def database(missing: Callable[[str, str], NoReturn]) -> Iterator[str]:
    """Where a PostgreSQL server is, with a schema of our own, which goes with the session."""
    psycopg = pytest.importorskip("psycopg")
    try:
        connection = psycopg.connect(SERVER, autocommit=True)
    except psycopg.OperationalError as error:
        missing(
            f"a PostgreSQL server at 127.0.0.1:5432 with a database test ({error})",
            "apt-get install postgresql, and let the user postgres in from 127.0.0.1",
        )
    with closing(connection), own_schema(connection, "simlib_test") as schema:
        yield f"{SERVER} options='-c search_path={schema} -c synchronous_commit=off'"


@pytest.fixture(scope="session")
def rabbitmq(missing: Callable[[str, str], NoReturn]) -> str:
    """Where a RabbitMQ server is."""
    pika = pytest.importorskip("pika")
    try:
        pika.BlockingConnection(pika.URLParameters(AMQP)).close()
    except pika.exceptions.AMQPConnectionError as error:
        missing(
            f"RabbitMQ at 127.0.0.1:5672 ({type(error).__name__})",
            "apt-get install rabbitmq-server, or docker run --rm -p 5672:5672 rabbitmq",
        )
    return AMQP
