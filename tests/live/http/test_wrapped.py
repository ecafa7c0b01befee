"""Services that take their time or are traced, and what a traced exchange looks like elsewhere."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from simlib.calls import Queries, Reply, Request, Service, ShopService
from simlib.calls.sample import sample_shop
from simlib.live.http import (
    HttpService,
    Policies,
    Slowed,
    Traced,
    line,
    measure_task,
    serve,
)
from simlib.present import measured_and_predicted, timeline, who_calls_whom
from simlib.resilience import Retry
from simlib.tracing import Kind, Recorder, TraceContext, by_service, chrome, otlp


class Says:
    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.heard: list[Request] = []

    def handle(self, request: Request) -> Reply:
        self.heard.append(request)
        return self.reply


@pytest.mark.parametrize("computing", [False, True])
def test_an_answer_takes_the_time_of_its_work_and_of_its_queries(computing: bool) -> None:
    reply = Reply(status=200, queries=Queries(5, 3))
    slowed = Slowed(Says(reply), work=0.01, query=0.005, computing=computing)
    clock = time.thread_time if computing else time.monotonic
    start = clock()
    assert slowed.handle(Request()) is reply
    assert clock() - start >= 0.025


@pytest.mark.parametrize("value", [-1, float("inf"), True, "1"])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="work must be a number of seconds from 0 on"):
        Slowed(Says(Reply()), work=value)


def test_the_context_of_a_caller_crosses_http() -> None:
    here, there = Recorder(), Recorder()
    service = Says(Reply(status=200))
    with (
        serve(Traced(service, there, "shop")) as server,
        HttpService(server.url, recorder=here, name="page") as caller,
    ):
        root = TraceContext.new()
        caller.handle(Request("GET", "/orders?limit=3", headers=root.put_into({})))
        caller.handle(Request("GET", "/orders", headers={"traceparent": "nonsense"}))
    (asked, other), (answered, alone) = here.spans, there.spans
    assert asked.trace_id == answered.trace_id == root.trace_id
    assert (asked.parent_id, answered.parent_id) == (root.span_id, asked.span_id)
    assert (asked.kind, answered.kind) == (Kind.CLIENT, Kind.SERVER)
    assert (asked.service, answered.service, answered.name) == ("page", "shop", "GET /orders")
    assert service.heard[0].headers["traceparent"] == str(answered.context)
    assert other.trace_id == alone.trace_id != root.trace_id
    assert (other.parent_id, alone.parent_id) == (None, other.span_id)


def test_an_attempt_that_is_repeated_is_a_span_for_each() -> None:
    recorder, policies = Recorder(), Policies(retry=Retry(attempts=9))
    with (
        sample_shop() as shop,
        serve(Traced(ShopService(shop), recorder, "shop")) as server,
        line(server.url, rtt=0.0, replies=0.4, seed=1) as far,
        HttpService(far.url, policies, recorder) as caller,
        recorder.span("page", "browser") as page,
    ):
        for order in ("1041", "1042", "9"):
            request = Request("GET", f"/orders/{order}", headers=page.context.put_into({}))
            caller.handle(request)
    spans = recorder.spans
    attempts = [span for span in spans if span.service == "caller"]
    assert far.lost == 1
    assert [span.error for span in attempts] == [False, True, False, False]
    assert attempts[2].attributes["http.request.resend_count"] == 1
    assert attempts[3].attributes["http.response.status_code"] == 404
    assert {span.parent_id for span in attempts} == {page.context.span_id}

    figures = {each.service: each for each in by_service(spans)}
    assert (figures["caller"].requests, figures["caller"].errors) == (4, 0.25)
    assert (figures["shop"].requests, figures["shop"].errors) == (4, 0.0)
    for draw in (timeline, who_calls_whom):
        assert "shop" in draw(spans).get_label()
        plt.close("all")
    slices = [event for event in chrome(spans)["traceEvents"] if event["ph"] == "X"]
    assert len(slices) == len(spans) == 9
    exported = json.loads(json.dumps(otlp(spans, since=1_700_000_000)))
    names = [
        each["resource"]["attributes"][0]["value"]["stringValue"]
        for each in exported["resourceSpans"]
    ]
    assert sorted(names) == ["browser", "caller", "shop"]


def test_a_defect_of_the_service_is_an_error_of_its_span() -> None:
    recorder = Recorder()
    Traced(Says(Reply(status=500)), recorder, "shop").handle(Request())
    Traced(Says(Reply(status=404)), recorder, "shop").handle(Request())
    assert [span.error for span in recorder.spans] == [True, False]


@pytest.mark.parametrize(
    ("style", "connections"), [("RPC", 1), ("REST in turn", 40), ("GraphQL batched", 1)]
)
def test_a_task_is_done_over_connections_and_timed(style: str, connections: int) -> None:
    with (
        sample_shop() as shop,
        serve(ShopService(shop), threads=4) as server,
        HttpService(server.url) as caller,
    ):
        took = measure_task(caller, "list", style, connections, runs=2)
    assert len(took) == 2
    assert min(took) > 0


def test_requests_of_a_round_are_under_way_at_once() -> None:
    with sample_shop() as shop:
        slow = Slowed(ShopService(shop), work=0.02)
        start = time.monotonic()
        measure_task(slow, "list", "REST in turn", 40, runs=1)
        assert time.monotonic() - start < 2 * 41 * 0.02
    assert isinstance(slow, Service)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [({"style": "SOAP"}, "there is no task list/SOAP"), ({"runs": 0}, "runs must be a whole")],
)
def test_what_can_not_be_measured_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        measure_task(Says(Reply()), **{"task": "list", "style": "RPC", **wrong})


def test_measured_times_are_drawn_on_what_was_predicted() -> None:
    rows = [("a", 0.1, 0.12), ("a", 0.1, 0.11), ("a", 0.1, 0.3), ("b", 1.0, 0.9)]
    ax = measured_and_predicted(pd.DataFrame(rows, columns=["way", "predicted", "measured"]))
    assert "a: 120 ms, predicted 100 ms; b: 900 ms, predicted 1 s" in ax.get_label()
    assert [text.get_text().strip() for text in ax.texts] == ["× 1.20", "× 0.90"]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"predicted", "measured"}
    plt.close("all")


@pytest.mark.parametrize("package", ["flask", "waitress", "requests"])
def test_without_a_package_the_error_names_the_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.startswith("simlib.live.http")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("simlib.extras.find_spec", lambda name: None if name == package else name)
    with pytest.raises(ModuleNotFoundError, match=rf'needs {package}: pip .*"simlib\[live\]"'):
        __import__("simlib.live.http")
