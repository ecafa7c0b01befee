"""The header that says which trace a message belongs to, by the rules of W3C Trace Context."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.broker import Broker
from simlib.calls import Request
from simlib.queues import FileQueue, MemoryQueue, MessageQueue, SQLiteQueue
from simlib.tracing import TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{SPAN}-01"

digits = st.text("0123456789abcdef", min_size=1, max_size=1)
contexts = st.builds(
    TraceContext,
    st.integers(1, 2**128 - 1).map("{:032x}".format),
    st.integers(1, 2**64 - 1).map("{:016x}".format),
    st.integers(0, 3),
)


def test_the_example_of_the_recommendation() -> None:
    context = TraceContext.parse(HEADER)
    assert (context.trace_id, context.span_id, context.flags) == (TRACE, SPAN, 1)
    assert context.sampled
    assert str(context) == HEADER


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_flags_are_bits(flags: str, sampled: bool) -> None:
    assert TraceContext.parse(f"00-{TRACE}-{SPAN}-{flags}").sampled is sampled


def test_flags_that_version_00_does_not_know_are_not_passed_on() -> None:
    assert str(TraceContext.parse(f"00-{TRACE}-{SPAN}-ff")).endswith("-03")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        HEADER.upper(),
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01-more",
        f"0x-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f" {HEADER}",
        f"{HEADER}\n",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_what_breaks_the_rules_is_refused_and_begins_a_new_trace(header: str) -> None:
    with pytest.raises(ValueError, match=r"traceparent|trace_id|span_id"):
        TraceContext.parse(header)
    assert TraceContext.taken_from({"traceparent": header}) is None


@pytest.mark.parametrize("header", [None, 1, b"bytes", ["list"]])
def test_what_is_no_text_is_no_context(header: object) -> None:
    assert TraceContext.taken_from({"traceparent": header}) is None


def test_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    for more in ("", "-", "-what-the-future-brings"):
        assert str(TraceContext.parse(f"cc-{TRACE}-{SPAN}-01{more}")) == HEADER


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"trace_id": "0" * 32}, "trace_id"),
        ({"trace_id": "a"}, "trace_id"),
        ({"span_id": "A" * 16}, "span_id"),
        ({"span_id": 7}, "span_id"),
        ({"flags": 256}, "flags"),
        ({"flags": -1}, "flags"),
        ({"flags": True}, "flags"),
    ],
)
def test_values_are_checked_when_they_are_made(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=f"{named} must be .*got"):
        TraceContext(**{"trace_id": TRACE, "span_id": SPAN, **changes})  # type: ignore[arg-type]


@given(contexts)
def test_what_is_written_is_read_again(context: TraceContext) -> None:
    assert TraceContext.parse(str(context)) == context


@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")))
def test_any_text_is_a_context_or_none(text: str) -> None:
    context = TraceContext.taken_from({"traceparent": text})
    assert context is None or str(context)[3:52] == text[3:52]


@given(contexts)
def test_a_child_is_another_span_of_the_same_trace(context: TraceContext) -> None:
    child = context.child()
    assert child.trace_id == context.trace_id
    assert child.span_id != context.span_id
    assert child.sampled == context.sampled


def test_new_traces_differ_and_numbered_ones_repeat() -> None:
    assert len({TraceContext.new().trace_id for _ in range(100)}) == 100
    assert not TraceContext.new(sampled=False).sampled
    assert TraceContext.numbered(1, 2) == TraceContext.numbered(1, 2)
    numbered = [TraceContext.numbered(seed, n) for seed in range(20) for n in range(20)]
    assert len({each.trace_id for each in numbered}) == len(numbered)


def test_a_share_of_the_traces_is_kept_and_the_fewer_are_among_the_more() -> None:
    contexts = [TraceContext.numbered(1, number) for number in range(10_000)]
    kept = {share: {each for each in contexts if each.falls_within(share)} for share in (0.1, 0.5)}
    # Binomial: standard errors of 0.003 and 0.005.
    assert abs(len(kept[0.1]) / 10_000 - 0.1) < 4 * 0.003
    assert abs(len(kept[0.5]) / 10_000 - 0.5) < 4 * 0.005
    assert kept[0.1] < kept[0.5]
    assert all(each.falls_within(1.0) for each in contexts)
    assert not any(each.falls_within(0.0) for each in contexts)


def test_headers_carry_one_context_whatever_their_case() -> None:
    context = TraceContext.parse(HEADER)
    headers = context.put_into({"Traceparent": "old", "type": "order"})
    assert headers == {"type": "order", "traceparent": HEADER}
    assert TraceContext.taken_from({"TraceParent": HEADER}) == context
    assert TraceContext.taken_from({}) is None
    assert TraceContext.taken_from({"traceparent": HEADER, "Traceparent": HEADER}) is None


@pytest.mark.parametrize("kind", ["memory", "file", "sqlite"])
def test_real_queues_carry_it_and_a_retry_is_a_new_span_of_the_same_trace(
    kind: str, tmp_path: Path
) -> None:
    def opened() -> MessageQueue:
        if kind == "memory":
            return MemoryQueue()
        return FileQueue(tmp_path) if kind == "file" else SQLiteQueue(tmp_path / "queue.db")

    sent = TraceContext.new()
    with opened() as queue:
        queue.put(b"order", headers=sent.put_into({"type": "order"}))
        spans = []
        for _ in range(2):
            message = queue.get(timeout=1)
            received = TraceContext.taken_from(message.headers)
            assert received == sent
            spans.append(received.child())
            queue.nack(message, requeue=True)
    assert {each.trace_id for each in spans} == {sent.trace_id}
    assert len({each.span_id for each in spans}) == 2


def test_the_broker_and_requests_carry_it() -> None:
    sent = TraceContext.new()
    with Broker() as broker:
        broker.declare_queue("orders")
        broker.publish("", "orders", b"order", headers=sent.put_into({}))
        delivery = broker.get("orders")
        assert delivery is not None
        assert TraceContext.taken_from(delivery.headers) == sent
    request = Request("GET", "/orders/1", headers=sent.put_into({"Accept": "*/*"}))
    assert TraceContext.taken_from(request.headers) == sent


def test_a_context_needs_nothing_but_python() -> None:
    code = (
        "import sys; from simlib.tracing import TraceContext; TraceContext.new(); "
        "print(sorted({'numpy', 'pandas', 'simpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
