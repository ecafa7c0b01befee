"""A trace crosses the server, and is drawn and exported as that of a run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from simlib.live.rabbit import Link, Publisher, SpanRecorder, joined
from simlib.live.rabbit.exchange import traced
from simlib.present import timeline, who_calls_whom
from simlib.tracing import Kind, Span, TraceContext, chrome, otlp, self_times, service_map

from .conftest import Place


@pytest.fixture(scope="module")
def spans(url: str) -> list[Span]:
    return traced(url, messages=3, work=0.001)


def test_a_message_is_one_trace_in_the_words_of_a_run(spans: list[Span]) -> None:
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    assert len(traces) == 3
    names = [[span.name for span in trace] for trace in traces.values()]
    once = ["message", "publish", "queue", "process", "deliver", "work", "ack"]
    assert sorted(map(len, names)) == [7, 7, 11]
    for trace, found in zip(traces.values(), names, strict=True):
        assert found[0] == "message"
        again = len(found) == 11
        assert sorted(found) == sorted(once + (once[3:] if again else []))
        fates = [(span.outcome, span.error) for span in trace if span.name == "work"]
        assert fates == [("failed", True)] * again + [("done", False)]


def test_each_span_lies_within_its_parent(spans: list[Span]) -> None:
    known = {(each.trace_id, each.span_id): each for each in spans}
    assert len(known) == len(spans)
    for span in spans:
        if span.parent_id is not None:
            parent = known[span.trace_id, span.parent_id]
            assert parent.start <= span.start <= span.end <= parent.end
    assert all(spent >= 0 for spent in self_times(spans))


def test_the_same_pictures_and_exports_take_it(spans: list[Span]) -> None:
    edges = {(each.caller, each.callee): each.requests for each in service_map(spans)}
    assert edges == {("publisher", "RabbitMQ"): 3, ("RabbitMQ", "consumer"): 4}
    first = [each for each in spans if each.trace_id == spans[0].trace_id]
    assert "work (consumer) after" in timeline(first).get_label()
    assert "RabbitMQ" in who_calls_whom(spans).get_label()
    document = json.loads(json.dumps(otlp(spans, since=1_700_000_000)))
    read = ParseDict(document, TracesData())
    assert sum(len(s.spans) for r in read.resource_spans for s in r.scope_spans) == len(spans)
    slices = [each for each in chrome(spans)["traceEvents"] if each["ph"] == "X"]
    assert len(slices) == len(spans)


READER = """
import sys
from simlib.live.rabbit import Consumer, Link, SpanRecorder, WorkQueue
url, queue, since = sys.argv[1:]
recorder = SpanRecorder(float(since), consumer="another process")
with Consumer(WorkQueue(queue, expires=600), link=Link(url=url), spans=recorder) as consumer:
    consumer.run(lambda message: consumer.stop())
for span in recorder.spans:
    print(span.context, span.parent_id, span.name, span.service, span.start, span.end, sep="|")
"""


def test_it_crosses_from_one_process_to_another(url: str, place: Place) -> None:
    recorder, order = SpanRecorder(publisher="shop"), TraceContext.new()
    with Publisher(place.queue, Link(url=url), recorder) as publisher:
        publisher.publish(b"chair", context=order)
    command = [sys.executable, "-c", READER, url, place.queue.name, str(recorder.since)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    theirs = [
        Span(
            context=TraceContext.parse(context),
            parent_id=parent,
            name=name,
            service=service,
            start=float(start),
            end=float(end),
        )
        for context, parent, name, service, start, end in (
            line.split("|") for line in run.stdout.splitlines()
        )
    ]
    assert {each.service for each in theirs} == {"RabbitMQ", "another process"}
    spans = joined([*theirs, *recorder.spans])
    assert {each.trace_id for each in spans} == {order.trace_id}
    root, *rest = spans
    assert (root.name, root.service, root.parent_id) == ("message", "shop", order.span_id)
    assert root.end == max(each.end for each in rest)
    edges = {(each.caller, each.callee) for each in service_map(spans)}
    assert edges == {("shop", "RabbitMQ"), ("RabbitMQ", "another process")}


def test_times_that_run_backwards_make_no_negative_spans() -> None:
    recorder = SpanRecorder(since=0.0)
    recorder.received(TraceContext.new(), "q", (5.0, 4.0, 4.5, 4.2, 4.6), "id", "done")
    assert all(each.duration >= 0 for each in recorder.spans)
    assert {each.kind for each in recorder.spans} == {Kind.INTERNAL, Kind.CONSUMER}
