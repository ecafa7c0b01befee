"""Six services, one fault: it can be found by self time, and not by how long requests take."""

from __future__ import annotations

from math import sqrt

import pytest

from simlib import ParameterError
from simlib.scenarios import Case, Incident
from simlib.tracing import (
    Span,
    TraceContext,
    by_service,
    rises,
    self_time_by_name,
    self_times,
    service_map,
)


def suspect(case: Case, figure: str = "self_time") -> str:
    return rises(case.spans, case.healthy, figure)[0].service


def cause(case: Case, service: str) -> str:
    now, then = (self_time_by_name(each, service) for each in (case.spans, case.healthy))
    return max(now, key=lambda name: now[name] - then.get(name, 0.0))


def by_trace(spans: list[Span]) -> dict[str, list[Span]]:
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    return traces


def test_a_case_repeats_and_another_seed_is_another_one() -> None:
    incident = Incident(traces=20)
    assert incident.run(1) == incident.run(1)
    faults = {(c.service, c.cause) for c in map(incident.run, range(40))}
    assert len(faults) > 8


def test_a_case_does_not_print_what_it_is_about() -> None:
    case = Incident(traces=5).run(3)
    assert repr(case) == "Case(incident=Incident(traces=5), seed=3)"


@pytest.mark.parametrize("seed", range(5))
def test_traces_are_trees_of_six_services_whose_self_times_add_up(seed: int) -> None:
    case = Incident(traces=10).run(seed)
    assert not {each.trace_id for each in case.spans} & {each.trace_id for each in case.healthy}
    for spans in (*by_trace(case.spans).values(), *by_trace(case.healthy).values()):
        known: dict[str, Span] = {}
        for span in spans:
            if span.parent_id is not None:
                parent = known[span.parent_id]
                assert parent.start <= span.start
                assert span.end <= parent.end
            known[span.span_id] = span
        assert len(known) == len(spans)
        assert len({each.service for each in spans}) == 6
        assert sum(self_times(spans)) == pytest.approx(spans[0].duration)


def test_the_map_is_that_of_the_six_services() -> None:
    edges = {edge[:3] for edge in service_map(Incident(traces=10).run(1).healthy)}
    assert edges == {
        ("gateway", "orders", 10),
        ("orders", "stock", 10),
        ("stock", "prices", 10),
        ("orders", "payments", 10),
        ("payments", "bank", 10),
    }


@pytest.mark.parametrize("name", ["work", "queue", "pool", "backoff"])
def test_the_fault_is_where_it_was_put(name: str) -> None:
    case = Incident(service="orders", cause=name, share=0.5).run(2)
    assert (case.service, case.cause) == ("orders", name)
    assert len(case.affected) == pytest.approx(100, abs=4 * sqrt(200 / 4))
    assert suspect(case) == "orders"
    assert cause(case, "orders") == name
    spent: dict[str, float] = dict.fromkeys(case.affected, 0.0)
    for each in case.spans:
        if each.trace_id in spent and (each.service, each.name) == ("orders", name):
            spent[each.trace_id] += each.duration
    # Twice the mean work of the slowest service, 50 ms, comes on top.
    assert min(spent.values()) > 0.1


def test_what_has_no_calls_waits_for_none() -> None:
    with pytest.raises(ParameterError, match="'bank' calls nobody"):
        Incident(service="bank", cause="pool")
    for seed in range(40):
        case = Incident(cause="backoff", traces=1).run(seed)
        assert case.service in {"gateway", "orders", "stock", "payments"}


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.1}, {"traces": 0}, {"size": 0}])
def test_what_can_not_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Incident(**wrong)


def test_a_figure_that_there_is_not_is_refused() -> None:
    case = Incident(traces=2).run()
    with pytest.raises(ValueError, match=r"figure must be one of requests, rate, .*got 'latency'"):
        rises(case.spans, case.healthy, "latency")


SEEDS = 20
BY_TOTAL = 0.76
"""Fraction in which the largest rise of p95 is that of the right service: of 160 seeds, with a
standard error of 0.034. Self time named it, and the cause, in all of them."""
OF_FEW = 0.78
"""Fraction in which self time names it where 5 % of the requests are affected: of 240 seeds, with a
standard error of 0.027."""


def test_self_time_names_the_service_and_the_cause_where_totals_point_at_the_way_to_it() -> None:
    by_self = by_total = 0
    for seed in range(SEEDS):
        case = Incident().run(seed)
        found = suspect(case)
        by_self += (found, cause(case, found)) == (case.service, case.cause)
        by_total += suspect(case, "duration_p95") == case.service
    assert by_self >= SEEDS - 1
    # Binomial, with that of the fraction itself: a standard error of 0.10.
    assert abs(by_total / SEEDS - BY_TOTAL) < 3 * 0.10
    assert by_total < by_self


def test_a_fault_of_few_requests_is_named_less_often() -> None:
    cases = (Incident(share=0.05).run(seed) for seed in range(SEEDS))
    found = sum(suspect(case) == case.service for case in cases) / SEEDS
    # Binomial, with that of the fraction itself: a standard error of 0.10.
    assert abs(found - OF_FEW) < 3 * 0.10


def test_the_root_looks_guilty() -> None:
    case = Incident(service="bank", cause="work", share=0.5).run(1)
    slower = {each.service: each.by for each in rises(case.spans, case.healthy, "duration_mean")}
    on_its_way = ("gateway", "orders", "payments", "bank")
    assert all(slower[service] > 0.5 * slower["bank"] for service in on_its_way)
    alone = {each.service: each.by for each in rises(case.spans, case.healthy)}
    assert all(alone[service] < 0.5 * alone["bank"] for service in on_its_way[:-1])


def test_head_sampling_misses_a_fault_of_one_request_in_a_thousand() -> None:
    tries, affected = 2_000, 10
    caught = sum(
        any(
            TraceContext.numbered(seed, 997 * number).falls_within(0.01)
            for number in range(affected)
        )
        for seed in range(tries)
    )
    expected = 1 - 0.99**affected
    assert expected == pytest.approx(0.0956, abs=0.0001)
    # Binomial: a standard error of 0.0066.
    assert abs(caught / tries - expected) < 4 * sqrt(expected * (1 - expected) / tries)


def test_what_was_kept_is_all_of_a_trace() -> None:
    case = Incident(traces=400, share=0.01).run(4)
    kept = [each for each in case.spans if each.context.falls_within(0.02)]
    whole = by_trace(case.spans)
    assert all(len(spans) == len(whole[trace]) for trace, spans in by_trace(kept).items())
    assert {each.requests for each in by_service(kept)} == {len(by_trace(kept))}


def test_a_rule_is_scored_on_one_incident_after_the_other() -> None:
    few = Incident(traces=30)
    faults = [(case.service, case.cause) for case in map(few.run, range(6))]
    always = faults[0]
    assert few.score(lambda now, before: always, range(6)) == faults.count(always) / 6
    answers = iter(faults)
    assert few.score(lambda now, before: next(answers), range(6)) == 1.0


def test_a_rule_says_both_and_is_tried_at_least_once() -> None:
    with pytest.raises(TypeError, match="a rule gives a service and a cause, got 'bank'"):
        Incident(traces=2).score(lambda now, before: "bank", [0])
    with pytest.raises(ValueError, match="seeds must hold one at least"):
        Incident(traces=2).score(lambda now, before: ("bank", "work"), [])
