"""A publisher knows what became of each message."""

from __future__ import annotations

import threading
from threading import Timer

import pytest

from simlib.broker.errors import NackedError, PreconditionFailedError, UnroutableError
from simlib.live.rabbit import Fate, GaveUpError, Link, Publisher, WorkQueue, delete
from simlib.tracing import TraceContext

from .conftest import AT_ONCE, STUBBORN, Place, until


def test_a_message_is_persistent_and_has_an_id_and_a_trace(url: str, place: Place) -> None:
    context = TraceContext.new()
    with Publisher(place.queue, Link(url=url)) as publisher:
        name = publisher.publish(b"chair", headers={"shop": "north"}, context=context)
        publisher.publish(b"table", message_id="order 7")
        assert publisher.fates == {Fate.CONFIRMED: 2}
    (chair, body), (table, _) = place.taken()
    assert body == b"chair"
    assert (chair.delivery_mode, chair.message_id) == (2, name)
    assert (table.delivery_mode, table.message_id) == (2, "order 7")
    assert chair.headers["shop"] == "north"
    found = TraceContext.taken_from(chair.headers)
    assert found is not None
    assert found.trace_id == context.trace_id
    assert found.span_id != context.span_id
    other = TraceContext.taken_from(table.headers)
    assert other is not None
    assert other.trace_id != context.trace_id


def test_what_no_queue_wants_comes_back_and_is_not_tried_again(url: str, place: Place) -> None:
    with Publisher(place.queue, Link(url=url)) as publisher:
        publisher.publish(b"1")
        delete(place.channel, place.queue)
        with pytest.raises(UnroutableError, match="the message came back"):
            publisher.publish(b"2")
        assert publisher.fates == {Fate.CONFIRMED: 1, Fate.RETURNED: 1, Fate.GIVEN_UP: 1}


@pytest.mark.parametrize("place", [{"capacity": 2}], indirect=True)
def test_a_full_queue_is_tried_again_until_there_is_room(url: str, place: Place) -> None:
    with Publisher(place.queue, Link(url=url, retry=AT_ONCE)) as publisher:
        publisher.publish(b"1")
        publisher.publish(b"2")
        with pytest.raises(NackedError, match="full"):
            publisher.publish(b"3")
        assert publisher.fates[Fate.NACKED] == AT_ONCE.attempts
    with Publisher(place.queue, Link(url=url, retry=STUBBORN)) as publisher:
        room = threading.Thread(
            target=lambda: (
                until(lambda: publisher.fates[Fate.NACKED] >= 2, "refused twice")
                or [place.channel.basic_get(place.queue.name, True)]
            )
        )
        room.start()
        publisher.publish(b"4")
        room.join(60)
    assert [body for _, body in place.taken()] == [b"2", b"4"]


def test_what_is_unknown_is_published_again_under_the_same_id(place: Place) -> None:
    with Publisher(place.queue, place.link()) as publisher:
        publisher.publish(b"before")
        place.line.hold_answers()
        Timer(0.1, place.line.cut).start()
        name = publisher.publish(b"unknown")
        publisher.publish(b"after")
        assert publisher.fates == {Fate.CONFIRMED: 3, Fate.UNKNOWN: 1}
        assert publisher.connections == 2
    found = place.taken()
    assert [body for _, body in found] == [b"before", b"unknown", b"unknown", b"after"]
    assert [properties.message_id for properties, _ in found[1:3]] == [name, name]


def test_it_gives_up_after_so_many_attempts(place: Place) -> None:
    with Publisher(place.queue, place.link(AT_ONCE)) as publisher:
        publisher.publish(b"1")
        place.line.close()
        with pytest.raises(GaveUpError, match=r"gave up publishing .* after 3 attempts; last: "):
            publisher.publish(b"2")
        assert sum(publisher.fates[each] for each in (Fate.UNKNOWN, Fate.UNSENT)) == 3
        assert publisher.fates[Fate.GIVEN_UP] == 1


def test_a_queue_that_is_declared_otherwise_is_a_defect(url: str, place: Place) -> None:
    other = WorkQueue(place.queue.name, capacity=7, expires=600)
    with (
        Publisher(other, Link(url=url)) as publisher,
        pytest.raises(PreconditionFailedError, match="inequivalent arg"),
    ):
        publisher.publish(b"")
    assert publisher.connections == 1


def test_a_connection_belongs_to_one_thread(url: str, place: Place) -> None:
    errors = []

    def elsewhere() -> None:
        try:
            publisher.publish(b"2")
        except RuntimeError as error:
            errors.append(str(error))

    with Publisher(place.queue, Link(url=url)) as publisher:
        publisher.publish(b"1")
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(60)
    assert errors == [
        "a publisher and its connection belong to one thread, the first that used it; "
        "make another publisher in this one"
    ]
    assert place.ready() == 1
