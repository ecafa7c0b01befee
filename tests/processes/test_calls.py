"""Calls on simulated time: what becomes of them, and what their callers get to know."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Environment, Outage, Replay
from simlib.calls import Outcome, Reply, Request
from simlib.processes import Call, Draws, Faults, Record, Service, SimQueue, Timer
from simlib.queues import MemoryQueue

OK, FAILED, REFUSED, TIMED_OUT, CANCELLED = Outcome

Heard = list[tuple[float, Outcome]]


class Shop:
    """A service that answers for real: it counts, and knows no other path than /orders."""

    def __init__(self) -> None:
        self.orders: list[bytes] = []

    def handle(self, request: Request) -> Reply:
        if request.target != "/orders":
            return Reply(FAILED, 404)
        self.orders.append(request.body)
        return Reply(OK, 201, b"order %d" % len(self.orders))


def service(env: Environment, *outages: Outage, work: float = 1.0, **options: Any) -> Service:
    """A service with one worker."""
    record = Record()
    record.prepare(100)
    capacity = options.pop("capacity", None)
    real = MemoryQueue(capacity or 0, clock=env.clock)
    inbox = SimQueue(env, real, capacity=capacity, record=record)
    draws = Draws(Deterministic(work), env.stream("work"))
    return Service(env, inbox, draws, faults=Faults(outages), **options)


def ask(
    env: Environment,
    one: Service,
    number: int,
    heard: Heard,
    *,
    at: float = 0.0,
    patience: float | None = None,
) -> None:
    """A caller who calls at an instant and hears what becomes of it."""

    def asking() -> Generator[Timer, Any, None]:
        timer = Timer(env, 1)
        yield timer.at(at)
        deadline = None if patience is None else at + patience
        reply = yield from one.call(number, deadline=deadline).wait(timer)
        heard.append((env.now, reply.outcome))

    env.process(asking())


def test_a_caller_hears_when_the_work_is_done() -> None:
    env, heard = Environment(), []
    one = service(env)
    for number in range(3):
        ask(env, one, number, heard, at=number / 4)
    env.run()
    assert heard == [(1.0, OK), (2.0, OK), (3.0, OK)]


def test_a_service_that_goes_down_fails_its_calls_and_refuses_others() -> None:
    env, heard = Environment(), []
    one = service(env, Outage(of="service", start=1.5, duration=1.0))
    for number, at in enumerate([0.0, 0.1, 0.2, 1.5, 2.4, 2.5]):
        ask(env, one, number, heard, at=at)
    env.run()
    failed = [(1.5, FAILED), (1.5, FAILED), (1.5, REFUSED), (2.4, REFUSED)]
    assert sorted(heard) == [(1.0, OK), *failed, (3.5, OK)]
    assert sorted(one.queue.record.lost) == [1, 2, 3, 4]


def test_an_inbox_without_room_refuses() -> None:
    env, heard = Environment(), []
    one = service(env, capacity=1)
    for number in range(4):
        ask(env, one, number, heard)
    env.run()
    assert heard == [(0.0, REFUSED), (0.0, REFUSED), (1.0, OK), (2.0, OK)]
    assert list(one.queue.record.dropped) == [2, 3]


def test_a_caller_gives_up_at_its_deadline_and_the_work_is_done_all_the_same() -> None:
    env, heard = Environment(), []
    one = service(env)
    ask(env, one, 0, heard, patience=5.0)
    ask(env, one, 1, heard, patience=1.25)
    ask(env, one, 2, heard, at=0.5)
    env.run()
    assert heard == [(1.0, OK), (1.25, TIMED_OUT), (3.0, OK)]
    assert (one.late, one.queue.acked, env.now) == (1, 3, 3.0)


def test_an_answer_at_the_very_deadline_is_in_time() -> None:
    env, heard = Environment(), []
    one = service(env, work=0.1)
    ask(env, one, 0, heard, patience=0.1)
    env.run()
    assert heard == [(0.1, OK)]


def test_of_several_answers_the_first_counts() -> None:
    call = Call(7)
    assert call.answer is None
    assert call.cancel()
    assert not call.reply()
    assert not call.end(Reply(FAILED, 500))
    assert not call.cancel()
    assert call.answer == Reply(CANCELLED)


def test_who_waits_for_a_call_goes_on_when_it_is_cancelled() -> None:
    env, heard = Environment(), []
    one = service(env, work=10.0)
    calls: list[Call] = []

    def asks() -> Generator[Timer, Any, None]:
        timer = Timer(env, 1)
        calls.append(one.call(0, deadline=20.0))
        reply = yield from calls[0].wait(timer)
        heard.append((env.now, reply.outcome))
        yield timer.at(15.0)
        heard.append((env.now, reply.outcome))

    def cancels() -> Generator[Any, Any, None]:
        yield env.timeout(4)
        calls[0].cancel()

    env.process(asks())
    env.process(cancels())
    env.run()
    assert heard == [(4.0, CANCELLED), (15.0, CANCELLED)]
    assert one.late == 1


def test_a_handler_answers_for_real_when_the_work_is_done() -> None:
    env, shop, heard = Environment(), Shop(), []
    one = service(env, handler=shop)

    def asks() -> Generator[Timer, Any, None]:
        timer = Timer(env, 1)
        for number, target in enumerate(["/orders", "/order", "/orders"]):
            request = Request("POST", target, b"%d" % number, deadline=env.now + 1.5)
            heard.append((yield from one.call(number, request).wait(timer)))
            assert env.now == number + 1.0

    env.process(asks())
    env.run(until=0.9)
    assert shop.orders == []
    env.run()
    assert heard == [Reply(OK, 201, b"order 1"), Reply(FAILED, 404), Reply(OK, 201, b"order 2")]
    assert shop.orders == [b"0", b"2"]


def test_an_order_is_made_although_its_caller_has_given_up() -> None:
    env, shop = Environment(), Shop()
    one = service(env, handler=shop)

    def asks() -> Generator[Timer, Any, None]:
        request = Request("POST", "/orders", deadline=0.5)
        reply = yield from one.call(0, request).wait(Timer(env, 1))
        assert (env.now, reply, shop.orders) == (0.5, Reply(TIMED_OUT), [])

    env.process(asks())
    env.run()
    assert shop.orders == [b""]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"number": 1, "deadline": 1.5}, "deadline must be >= now=2 s, got 1.5"),
        ({"number": 0, "request": Request()}, "it has a call 0"),
        ({"number": 1}, "needs a request, got None"),
    ],
)
def test_what_can_be_no_call_is_refused(options: dict[str, Any], said: str) -> None:
    env = Environment()
    one = service(env, handler=Shop(), work=10.0)
    one.call(0, Request())
    env.run(until=2.0)
    options.setdefault("request", Request() if "deadline" in options else None)
    with pytest.raises(ValueError, match=re.escape(said)):
        one.call(**options)


@settings(max_examples=100)
@given(
    gaps=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=15),
    works=st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.5]), min_size=15, max_size=15),
    patiences=st.lists(
        st.none() | st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=15, max_size=15
    ),
    outage=st.none() | st.builds(Outage, start=st.floats(0, 4), duration=st.floats(0.1, 4)),
    workers=st.integers(1, 3),
    capacity=st.sampled_from([None, 0, 2]),
)
def test_every_call_is_over_once_and_in_time(
    gaps, works, patiences, outage, workers, capacity
) -> None:
    env, heard = Environment(), []
    record = Record()
    record.prepare(len(gaps))
    inbox = SimQueue(env, MemoryQueue(capacity or 0), capacity=capacity, record=record)
    one = Service(
        env,
        inbox,
        Draws(Replay(works), env.stream("work")),
        workers=workers,
        faults=Faults([outage] if outage else []),
    )
    now, latest = 0.0, {}
    for number, (gap, patience) in enumerate(zip(gaps, patiences, strict=False)):
        now += gap
        latest[number] = now + (200.0 if patience is None else patience)
        each: Heard = []
        heard.append(each)
        ask(env, one, number, each, at=now, patience=patience)
    env.run()
    told = [outcome for ((_, outcome),) in heard]
    for number, ((instant, outcome),) in enumerate(heard):
        assert instant <= latest[number]
        if outcome is TIMED_OUT:
            assert instant == latest[number]
        if outcome is OK:
            assert record.finished[number] == instant
    ledger = inbox.ledger()
    assert ledger.ready == ledger.unacked == 0
    assert ledger.acked - one.late <= told.count(OK) <= ledger.acked
    assert told.count(REFUSED) + told.count(FAILED) <= ledger.dropped + len(record.lost)
