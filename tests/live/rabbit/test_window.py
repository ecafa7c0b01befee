"""Many confirms under way at once, and none forgotten."""

from __future__ import annotations

import random
import threading
from threading import Timer

import pytest
from size import size

from simlib.broker.errors import PreconditionFailedError, UnroutableError
from simlib.live.rabbit import Fate, GaveUpError, Link, WindowPublisher, WorkQueue, delete

from .conftest import AT_ONCE, STUBBORN, Place, until


def test_all_arrive_in_order_and_confirmed(url: str, place: Place) -> None:
    with WindowPublisher(place.queue, 20, Link(url=url)) as publisher:
        names = [publisher.publish(b"%d" % number) for number in range(500)]
        publisher.flush(60)
        assert publisher.fates == {Fate.CONFIRMED: 500}
    found = place.taken()
    assert [properties.message_id for properties, _ in found] == names
    assert {properties.delivery_mode for properties, _ in found} == {2}


def test_who_publishes_beyond_the_window_waits(place: Place) -> None:
    with WindowPublisher(place.queue, 5, place.link()) as publisher:
        publisher.publish(b"")
        publisher.flush(60)
        place.line.hold_answers()
        for _ in range(5):
            publisher.publish(b"")
        sixth = threading.Thread(target=lambda: publisher.publish(b""), daemon=True)
        sixth.start()
        until(lambda: place.ready() == 6, "five and the first have arrived")
        assert sixth.is_alive()
        with pytest.raises(TimeoutError, match="5 messages unconfirmed"):
            publisher.flush(0.01)
        place.line.cut()
        sixth.join(60)
        assert not sixth.is_alive()


def test_what_is_unconfirmed_when_the_line_breaks_is_published_again(place: Place) -> None:
    draws = random.Random(1)
    cuts = sorted(draws.sample(range(50, 2_000), size(4, 40)))
    with WindowPublisher(place.queue, 50, place.link()) as publisher:
        names = []
        for number in range(2_000):
            names.append(publisher.publish(b"%d" % number))
            if number in cuts:
                if draws.random() < 0.5:
                    place.line.hold_answers()
                    Timer(0.05, place.line.cut).start()
                else:
                    place.line.cut()
        publisher.flush(60)
        assert publisher.fates[Fate.CONFIRMED] == 2_000
        doubled = publisher.fates[Fate.UNKNOWN]
        assert publisher.connections > 1
    found = [properties.message_id for properties, _ in place.taken()]
    assert set(found) == set(names)
    assert len(found) - len(names) <= doubled


def test_what_no_queue_wants_is_told_with_the_next(url: str, place: Place) -> None:
    publisher = WindowPublisher(place.queue, 5, Link(url=url))
    publisher.publish(b"")
    publisher.flush(60)
    delete(place.channel, place.queue)
    publisher.publish(b"")
    for call in (lambda: publisher.flush(60), lambda: publisher.publish(b"")):
        with pytest.raises(UnroutableError, match="the message came back"):
            call()
    publisher.close()


@pytest.mark.parametrize("place", [{"capacity": 10}], indirect=True)
def test_what_a_full_queue_refuses_is_sent_again(url: str, place: Place) -> None:
    with WindowPublisher(place.queue, 30, Link(url=url)) as publisher:
        names = [publisher.publish(b"") for _ in range(30)]
        found = []
        until(lambda: publisher.fates[Fate.NACKED] >= 20, "what is beyond ten is refused")
        while len(found) < 30:
            found += [properties.message_id for properties, _ in place.taken()]
        publisher.flush(60)
    assert sorted(found) == sorted(names)


def test_it_gives_up_after_so_many_attempts(place: Place) -> None:
    publisher = WindowPublisher(place.queue, 5, place.link(AT_ONCE))
    publisher.publish(b"")
    publisher.flush(60)
    place.line.close()
    for _ in range(5):
        publisher.publish(b"")
    with pytest.raises(GaveUpError, match="after 3 attempts"):
        publisher.publish(b"")
    publisher.close()
    assert publisher.fates[Fate.GIVEN_UP] == 5


def test_an_error_of_the_program_waits_for_nothing(place: Place) -> None:
    place.line.close()
    publisher = WindowPublisher(place.queue, 5, place.link(STUBBORN))

    def fail() -> None:
        with publisher:
            publisher.publish(b"")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(GaveUpError, match="closed before all was confirmed"):
        publisher.flush()


def test_a_queue_that_is_declared_otherwise_is_a_defect(url: str, place: Place) -> None:
    other = WorkQueue(place.queue.name, capacity=7, expires=600)
    publisher = WindowPublisher(other, 5, Link(url=url))
    publisher.publish(b"")
    with pytest.raises(PreconditionFailedError, match="inequivalent arg"):
        publisher.flush(60)
    publisher.close()


@pytest.mark.parametrize("unconfirmed", [0, -1, 1.5, True])
def test_a_window_is_a_whole_number(unconfirmed: int) -> None:
    with pytest.raises(ValueError, match="unconfirmed must be a whole number >= 1, got"):
        WindowPublisher(WorkQueue("q"), unconfirmed)
