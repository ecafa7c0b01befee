"""Exports: read by OpenTelemetry's own schema, and by the rules of Chrome's trace events."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData
from runs import any_result

from simlib import Deterministic, Outage, Trace
from simlib.analysis import Result
from simlib.scenarios import PointToPoint, SyncVsAsync
from simlib.tracing import Span, TraceContext, chrome, otlp

RETRIED = PointToPoint(
    interarrival=Trace([1.0]),
    service=Deterministic(2.0),
    outages=[Outage(of="consumers", start=2.0)],
)


def parsed(document: dict[str, Any]) -> TracesData:
    """An OTLP/JSON document as protobuf.

    OTLP has ids in hexadecimal, where protobuf's own JSON has base64: what is parsed as it stands
    is 24 bytes of nonsense in place of 16, without a word.
    """
    text = re.sub(
        r'"(traceId|spanId|parentSpanId)": "([0-9a-f]+)"',
        lambda found: f'"{found[1]}": "{base64.b64encode(bytes.fromhex(found[2])).decode()}"',
        json.dumps(document, allow_nan=False),
    )
    return json_format.Parse(text, TracesData())


def read(document: dict[str, Any]) -> list[tuple[str, OtlpSpan]]:
    """Service and span of all that it holds."""
    found = []
    for resource in parsed(document).resource_spans:
        (name,) = (a for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            found += [(name.value.string_value, span) for span in scope.spans]
    return found


def attributes(span: OtlpSpan) -> dict[str, Any]:
    values = {each.key: each.value for each in span.attributes}
    return {name: getattr(value, value.WhichOneof("value")) for name, value in values.items()}


# OTLP


def test_a_retry_in_otlp() -> None:
    spans = RETRIED.run(1).spans()
    document = otlp(spans)
    root = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert root["traceId"] == spans[0].trace_id
    assert "parentSpanId" not in root
    assert (root["startTimeUnixNano"], root["endTimeUnixNano"]) == ("1000000000", "5000000000")
    services = [each["resource"]["attributes"] for each in document["resourceSpans"]]
    assert services == [
        [{"key": "service.name", "value": {"stringValue": name}}]
        for name in ("producer", "queue", "consumer")
    ]
    first, second = (span for _, span in read(document) if span.name == "process")
    assert first.kind == OtlpSpan.SPAN_KIND_CONSUMER
    assert first.status.code == Status.STATUS_CODE_ERROR
    assert first.status.message == "crash"
    assert second.status.code == Status.STATUS_CODE_UNSET
    assert attributes(first) == {"attempt": 1, "outcome": "interrupted", "cause": "crash"}


def test_kinds_have_the_numbers_of_the_protocol() -> None:
    kinds = {
        span.name: span.kind
        for mode in ("sync", "async")
        for _, span in read(otlp(SyncVsAsync(mode=mode, messages=1).run().spans()))
    }
    assert kinds["serve"] == OtlpSpan.SPAN_KIND_SERVER == 2
    assert kinds["call"] == OtlpSpan.SPAN_KIND_CLIENT == 3
    assert kinds["publish"] == OtlpSpan.SPAN_KIND_PRODUCER == 4
    assert kinds["process"] == OtlpSpan.SPAN_KIND_CONSUMER == 5
    assert kinds["work"] == OtlpSpan.SPAN_KIND_INTERNAL == 1


def test_a_run_may_stand_at_any_time() -> None:
    spans = RETRIED.run(1).spans()
    (_, root), *_ = read(otlp(spans, since=1_700_000_000))
    assert root.start_time_unix_nano == 1_700_000_001_000_000_000
    for since in (-1, 1.5, True, "now"):
        with pytest.raises(ValueError, match="since must be a whole number of seconds"):
            otlp(spans, since=since)  # type: ignore[arg-type]


def test_ids_taken_for_base64_are_found_out() -> None:
    document = otlp(RETRIED.run(1).spans())
    wrong = json_format.ParseDict(document, TracesData())
    assert len(wrong.resource_spans[0].scope_spans[0].spans[0].trace_id) == 24
    assert {len(span.trace_id) for _, span in read(document)} == {16}


def test_every_kind_of_attribute_is_told() -> None:
    given = {"text": "é", "whole": 2**53 + 1, "real": 0.5, "yes": True, "endless": float("inf")}
    span = Span(
        context=TraceContext.numbered(1, 1),
        parent_id=None,
        name="work",
        service="é",
        start=0.0,
        end=1.0,
        attributes=given,
    )
    ((service, read_back),) = read(otlp([span]))
    assert service == "é"
    assert attributes(read_back) == given


def test_nothing_is_exported_as_nothing() -> None:
    assert read(otlp([])) == []
    assert chrome([])["traceEvents"] == []


@settings(max_examples=40, deadline=None)
@given(any_result)
def test_otlp_says_what_the_spans_say(result: Result) -> None:
    spans = result.spans()
    found = {
        (span.trace_id.hex(), span.span_id.hex()): (at, span) for at, span in read(otlp(spans))
    }
    assert len(found) == len(spans)
    for span in spans:
        service, other = found[span.trace_id, span.span_id]
        assert (len(other.trace_id), len(other.span_id)) == (16, 8)
        assert other.parent_span_id.hex() == (span.parent_id or "")
        assert (service, other.name, other.kind) == (span.service, span.name, int(span.kind))
        # Half a nanosecond, and what a float of that size can't say.
        assert abs(other.start_time_unix_nano / 1e9 - span.start) < 1e-9
        assert (other.status.code == Status.STATUS_CODE_ERROR) is span.error
        assert [each.span_id.hex() for each in other.links] == [each.span_id for each in span.links]
        if span.parent_id:
            _, parent = found[span.trace_id, span.parent_id]
            assert parent.start_time_unix_nano <= other.start_time_unix_nano
            assert other.end_time_unix_nano <= parent.end_time_unix_nano


# Chrome JSON


def test_a_retry_in_chrome_json() -> None:
    events = chrome(RETRIED.run(1).spans())["traceEvents"]
    assert [each["args"]["name"] for each in events if each["ph"] == "M"] == [
        "producer",
        "queue",
        "consumer",
    ]
    slices = [(e["name"], e["pid"], e["tid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert slices == [
        ("message", 1, 1, 1e6, 4e6),
        ("queue", 2, 1, 1e6, 4e6),
        ("process", 3, 1, 1e6, 1e6),
        ("work", 3, 1, 1e6, 1e6),
        ("publish", 1, 1, 1e6, 0.0),
        ("process", 3, 1, 3e6, 2e6),
        ("work", 3, 1, 3e6, 2e6),
    ]
    assert [e["ts"] for e in events if e["ph"] == "s"] == [1e6, 1e6, 3e6]


@settings(max_examples=40, deadline=None)
@given(any_result)
def test_nothing_overlaps_on_a_thread_and_arrows_have_two_ends(result: Result) -> None:
    spans = result.spans()
    events = json.loads(json.dumps(chrome(spans), allow_nan=False))["traceEvents"]
    threads: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = round(1000 * event["ts"])
            threads[event["pid"], event["tid"]].append((start, start + round(1000 * event["dur"])))
    assert sum(map(len, threads.values())) == len(spans)
    for slices in threads.values():
        open_ends: list[int] = []
        for start, end in sorted(slices, key=lambda each: (each[0], -each[1])):
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            assert not open_ends or end <= open_ends[-1]
            open_ends.append(end)
    arrows: dict[int, list[str]] = defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            arrows[event["id"]].append(event["ph"])
            instant = round(1000 * event["ts"])
            assert any(s <= instant < e for s, e in threads[event["pid"], event["tid"]])
    assert all(ends == ["s", "f"] for ends in arrows.values())
    known = {(each.trace_id, each.span_id): each for each in spans}
    crossing = [
        each
        for each in spans
        if each.parent_id
        and known[each.trace_id, each.parent_id].service != each.service
        and round(1e9 * each.end) > round(1e9 * each.start)
    ]
    assert len(arrows) == len(crossing)


def test_spans_may_come_in_any_order_and_without_their_parents() -> None:
    spans = RETRIED.run(1).spans()
    backwards = chrome(spans[::-1])["traceEvents"]
    assert sorted(map(str, backwards)) == sorted(map(str, chrome(spans)["traceEvents"]))
    kept = chrome([each for each in spans if each.service == "consumer"])["traceEvents"]
    assert {each["ph"] for each in kept} == {"M", "X"}


def test_an_arrow_leaves_a_sender_that_is_done_before_its_message_is_received() -> None:
    sent = TraceContext.numbered(1, 1)
    facts = {"parent_id": None, "name": "publish", "service": "shop", "start": 0.0, "end": 1.0}
    publish = Span(context=sent, **facts)
    later = {"name": "process", "service": "billing", "start": 3.0, "end": 4.0}
    process = Span(context=sent.child(), parent_id=sent.span_id, **later)
    events = chrome([publish, process])["traceEvents"]
    assert [e["ts"] for e in events if e["ph"] in "sf"] == [1e6 - 0.001, 3e6]
