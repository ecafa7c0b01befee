"""What a value says of itself, and of what it doesn't take."""

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simlib import (
    Batches,
    Deterministic,
    Erlang,
    Exponential,
    Linger,
    Outage,
    ParameterError,
    Replay,
    Trace,
)
from simlib.analysis import Result, compare, replicate
from simlib.scenarios import (
    ApiStyles,
    Calling,
    ClosedLoop,
    Composition,
    Consistency,
    DeliveryGuarantees,
    EventDriven,
    Hedging,
    Overload,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    Scenario,
    SyncVsAsync,
    Topology,
)
from simlib.values import Value

SCENARIOS: list[type[Scenario]] = [
    *(
        ApiStyles,
        Calling,
        ClosedLoop,
        Composition,
        Consistency,
        DeliveryGuarantees,
        EventDriven,
        Hedging,
        Overload,
        Pipeline,
        PointToPoint,
        PublishSubscribe,
        SyncVsAsync,
        Topology,
    )
]
each = pytest.mark.parametrize("scenario", SCENARIOS)
KINDS = (
    "Exponential, Deterministic, Erlang, LogNormal, Hyperexponential, Uniform, Empirical, Replay"
)


def ptp(**values: Any) -> PointToPoint:
    return PointToPoint(**{"messages": 10, **values})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ptp(consumers=0), "PointToPoint: consumers must be >= 1, got 0"),
        (lambda: ptp(consumers=1001), "PointToPoint: consumers must be <= 1,000, got 1001"),
        (lambda: ptp().replace(put_cost=-1), "PointToPoint: put_cost must be >= 0 s, got -1"),
        (lambda: ptp(consumers=1.5), "PointToPoint: consumers must be a whole number, got 1.5"),
        (
            lambda: ptp(duration=float("inf")),
            "PointToPoint: duration must be a finite number, got inf",
        ),
        (
            lambda: ptp(queue="disk"),
            "PointToPoint: queue must be 'memory', 'file' or 'sqlite', got 'disk'",
        ),
        (
            lambda: ptp(service="fast"),
            f"PointToPoint: service must be a distribution ({KINDS}), or a number of seconds, "
            "which is the same every time, got 'fast'",
        ),
        (
            lambda: ptp(service={}),
            "PointToPoint: service must say its kind, one of exponential, deterministic, erlang, "
            "lognormal, hyperexponential, uniform, empirical, replay, got None",
        ),
        (lambda: ptp(service=-1.0), "PointToPoint: service must be >= 0 s, got -1.0"),
        (
            lambda: ptp(interarrival={"kind": "exponential", "mean": -1}),
            "PointToPoint: interarrival.mean must be > 0, got -1",
        ),
        (
            lambda: PointToPoint.model_validate_json(
                '{"messages": 1, "interarrival": {"kind": "erlang", "k": 2}}'
            ),
            "PointToPoint: interarrival.mean is missing",
        ),
        (
            lambda: Pipeline(messages=1, stations=[{}, {"service": {"kind": "erlang", "k": 0}}]),
            "Pipeline:\n- stations[1].service.k must be >= 1, got 0\n"
            "- stations[1].service.mean is missing",
        ),
        (
            lambda: ptp(outages=[{"of": "broker"}]),
            "PointToPoint: outages[0]: give either start or every, got start=None, every=None",
        ),
        (
            lambda: ptp(linger={"size": 0, "time": 1}),
            "PointToPoint: linger.size must be >= 1 messages, got 0",
        ),
        (lambda: ptp(breakdowns=3), "PointToPoint: breakdowns must be Breakdowns(...), got 3"),
        (
            lambda: ptp(consumer=2),
            "PointToPoint: there is no 'consumer'; did you mean 'consumers'?",
        ),
        (lambda: ptp(load=0.5), "PointToPoint: there is no 'load'; replace(load=...) takes it"),
        (
            lambda: Outage(of="broker", start=1, duration=1, x=1),
            "Outage: there is no 'x'; there are of, start, every, duration, share, kind, factor",
        ),
        (
            lambda: Exponential(rate=1),
            "Exponential:\n- there is no 'rate'; give mean = 1/rate\n- mean is missing",
        ),
        (
            lambda: Deterministic(mean=1),
            "Deterministic:\n- there is no 'mean'; it is called 'value' here\n- value is missing",
        ),
        (
            lambda: Trace([1.7e12, 1.7e12 + 1]),
            "Trace: times must be <= 1,000,000,000 s after the start of the run, got 1.7e+12; "
            "are they seconds, and was the first one subtracted?",
        ),
        (
            lambda: Batches(1.0, (1, 2, 3)),
            "Batches: size must be a whole number from 1 to 1,000, or (fewest, most), "
            "got (1, 2, 3)",
        ),
        (
            lambda: ptp(warmup=1000, messages=500),
            "PointToPoint: warmup must be smaller than the 500 messages published, got warmup=1000",
        ),
        (
            lambda: ptp(consumers=0, queue="disk"),
            "PointToPoint:\n- consumers must be >= 1, got 0\n"
            "- queue must be 'memory', 'file' or 'sqlite', got 'disk'",
        ),
        (
            lambda: setattr(ptp(), "consumers", 2),
            "PointToPoint: consumers can't be changed, for it is frozen; make another one",
        ),
        (
            lambda: ptp(messages=10**30),
            "PointToPoint: messages must be <= 100,000,000 messages, got 1e+30",
        ),
        (
            lambda: ClosedLoop(messages=10**30),
            "ClosedLoop: messages must be <= 100,000,000 messages, got 1e+30",
        ),
        (
            lambda: Outage(of="broker", every=1e-5),
            "Outage: every must be >= 0.001 s on average, got Deterministic(value=1e-05)",
        ),
        (
            lambda: SyncVsAsync(messages=1, put_cost=1e308),
            "SyncVsAsync: put_cost must be <= 1,000,000,000 s, got 1e+308",
        ),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        make()
    assert str(caught.value) == said
    assert type(caught.value) is ParameterError
    assert caught.value.__cause__ is None
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - as joblib does
    assert str(again) == said


@each
def test_nothing_but_a_number_is_a_number(scenario: type[Scenario]) -> None:
    base = scenario(**{"messages": 10} if "messages" in scenario.model_fields else {})
    numbers = [name for name in scenario.model_fields if type(getattr(base, name)) in (int, float)]
    assert numbers
    for name in numbers:
        for wrong in (True, "5", b"5", [5]):
            with pytest.raises(ParameterError, match=rf"{name} must be a (whole )?number, got"):
                base.replace(**{name: wrong})


@pytest.mark.parametrize("wrong", [0, 1, "yes", "false", None])
def test_nothing_but_true_and_false_is_true_or_false(wrong: Any) -> None:
    with pytest.raises(ParameterError, match="confirms must be True or False, got"):
        DeliveryGuarantees(messages=1, confirms=wrong)


@pytest.mark.parametrize("wrong", [True, "1.0", b"1", np.True_])
def test_no_distribution_is_made_of_what_is_no_number(wrong: Any) -> None:
    for make in (lambda: Exponential(wrong), lambda: Replay([1.0, wrong]), lambda: Trace([wrong])):
        with pytest.raises(ParameterError, match="must be a number, got"):
            make()
    with pytest.raises(ParameterError, match="service must be a distribution"):
        ptp(service=wrong)


def test_numbers_of_numpy_are_numbers() -> None:
    given = ptp(messages=np.int64(20), consumers=np.int32(2), put_cost=np.float32(0.5), get_cost=1)
    assert given == ptp(messages=20, consumers=2, put_cost=0.5, get_cost=1.0)
    assert ptp(service=np.float64(2.0)) == ptp(service=np.int64(2)) == ptp(service=2.0)


def test_a_number_is_a_distribution_that_never_varies() -> None:
    short = ptp(
        service=2.0,
        interarrival=3,
        polling=1,
        outages=[{"of": "broker", "kind": "power", "start": 1}],
    )
    long = ptp(
        service=Deterministic(2.0),
        interarrival=Deterministic(3.0),
        polling=Deterministic(1.0),
        outages=(Outage(of="broker", start=1, kind="power"),),
    )
    assert short == long
    assert PointToPoint.model_validate_json(short.model_dump_json()) == short
    assert ClosedLoop(think=0).think == Deterministic(0.0)


@each
def test_a_scenario_describes_all_its_parameters(scenario: type[Scenario]) -> None:
    told = scenario.__doc__ or ""
    assert told.count("Parameters\n----------\n") == 1
    table = told.split("----------\n")[1]
    for name, info in scenario.parameters().items():
        assert f"\n{name} " in f"\n{table}"
        assert (info.description or "").split()[0] in table
    assert max(map(len, table.splitlines())) <= 136
    assert list(inspect.signature(scenario).parameters) == list(scenario.model_fields)
    assert str(inspect.signature(Exponential)) == "(mean)"


def test_a_row_has_default_unit_and_bounds() -> None:
    rows = {line.split()[0]: line for line in (PointToPoint.__doc__ or "").splitlines() if line}
    assert "memory, file, sqlite" in rows["queue"]
    assert " 1 to 1,000 " in rows["consumers"]
    assert "0.01" in rows["sync_time"]
    assert " s " in rows["sync_time"]
    assert " > 0 " in rows["sync_time"]
    assert "for replace()" in rows["load"]
    assert "required" in (Linger.__doc__ or "")


def test_handwritten_parameters_stay() -> None:
    assert (Erlang.__doc__ or "").count("Parameters") == 1
    assert "Number of phases" in (Erlang.__doc__ or "")


@pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")
def test_what_is_shown_is_one_line_or_a_table() -> None:
    shop = ptp(consumers=2, interarrival=Trace(np.arange(10.0)))
    assert (
        repr(shop)
        == "PointToPoint(interarrival=Trace(10 arrivals in 9 s), messages=10, consumers=2)"
    )
    assert repr(ptp(service=Exponential(1.0))) == "PointToPoint(messages=10)"
    result = shop.run(3)
    runs, both = replicate(shop, 3), compare(shop, shop.replace(consumers=3), replications=2)
    assert repr(result).startswith(f"<Result of {shop!r}, seed 3, vector: 10 of 10 done in ")
    assert repr(runs).startswith(f"<3 replications of {shop!r}")
    assert repr(both).startswith(f"<Comparison of {shop!r}, ")
    for shown in (shop, result, runs, both):
        assert "\n" not in repr(shown)
        table = shown._repr_html_()
        assert table.startswith("<table><caption")
        assert "PointToPoint" in table
        assert "color" not in table
    assert " ms<" in result._repr_html_() or " s<" in result._repr_html_()
    assert ">messages<" in shop._repr_html_()


def test_a_table_escapes_what_is_in_it() -> None:
    class Odd(Value):
        """Odd."""

        name: str = "<b>&"

    assert "&lt;b&gt;&amp;" in Odd()._repr_html_()
    assert "<b>" not in Odd()._repr_html_()
    assert isinstance(ptp().run(), Result)
