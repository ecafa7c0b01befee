"""A run's attempts: a row per delivery, whatever came of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Outage, Trace
from simlib.analysis import Result
from simlib.scenarios import (
    DeliveryGuarantees,
    EventDriven,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    SyncVsAsync,
)
from simlib.scenarios.pipeline import Station

COLUMNS = ["message", "attempt", "delivered", "start", "end", "released", "outcome", "by", "cause"]


def rows(table: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return list(table[list(names)].itertuples(index=False, name=None))


def test_without_mishaps_each_message_has_one_attempt() -> None:
    attempts = PointToPoint(interarrival=2.0, service=1.0, messages=3).run().attempts
    assert list(attempts) == COLUMNS
    assert rows(attempts, "message", "attempt", "delivered", "start", "end", "released") == [
        (0, 1, 2.0, 2.0, 3.0, 3.0),
        (1, 1, 4.0, 4.0, 5.0, 5.0),
        (2, 1, 6.0, 6.0, 7.0, 7.0),
    ]
    assert set(attempts["outcome"]) == {"acked"}
    assert set(attempts["cause"]) == {""}
    assert attempts["by"].isna().all()


def test_what_a_crash_interrupts_is_tried_again() -> None:
    scenario = PointToPoint(
        interarrival=Trace([1.0]),
        service=Deterministic(2.0),
        get_cost=0.5,
        ack_cost=0.25,
        outages=[Outage(of="consumers", start=2.0)],
    )
    attempts = scenario.run().attempts
    assert rows(attempts, "attempt", "delivered", "start", "end", "released") == [
        (1, 1.0, 1.5, 2.0, 2.0),
        (2, 3.0, 3.5, 5.5, 5.75),
    ]
    assert rows(attempts, "outcome", "cause") == [("interrupted", "crash"), ("acked", "")]


def test_what_goes_on_when_the_run_is_cut_off_is_in_service() -> None:
    scenario = PointToPoint(interarrival=1.0, service=3.0, messages=2, duration=3.0)
    attempts = scenario.run(engine="simpy").attempts
    assert rows(attempts, "message", "start", "outcome") == [(0, 1.0, "in service")]
    assert attempts["end"].isna().all()


def test_a_call_that_an_outage_breaks_is_a_row_and_is_not_made_again() -> None:
    scenario = SyncVsAsync(
        mode="sync",
        interarrival=Trace([1.0]),
        service=Deterministic(2.0),
        network=0.0,
        outages=[Outage(of="service", start=2.0)],
    )
    attempts = scenario.run().attempts
    assert rows(attempts, "start", "end", "outcome", "cause") == [
        (1.0, 2.0, "interrupted", "outage")
    ]


def test_each_station_of_a_line_has_its_delivery() -> None:
    line = Pipeline(
        interarrival=Trace([1.0]), stations=[Station(service=1.0), Station(service=2.0)]
    )
    for engine in ("simpy", "vector"):
        attempts = line.run(engine=engine).attempts
        assert rows(attempts, "station", "attempt", "start", "end") == [
            (1, 1, 1.0, 2.0),
            (2, 1, 2.0, 4.0),
        ]


def test_an_event_is_an_attempt_of_the_subscriber_that_it_was_delivered_to() -> None:
    scenario = EventDriven(subscribers=2, messages=5)
    attempts = scenario.run().attempts
    assert attempts["by"].tolist() == scenario.run().messages["subscriber"].tolist()


@pytest.mark.parametrize("semantics", ["at most once", "at least once", "effectively once"])
def test_causes_name_what_went_wrong(semantics: str) -> None:
    scenario = DeliveryGuarantees(
        messages=300, semantics=semantics, crashing=0.1, delivery_lost=0.1, failing=0.1
    )
    attempts = scenario.run().attempts
    vain = attempts[attempts["outcome"].isin(["interrupted", "failed", "done"])]
    assert {"crash", "delivery lost"} <= set(vain["cause"])
    assert (vain["by"] == 0).all()
    failed = attempts[attempts["outcome"] == "failed"]
    assert len(failed)
    assert failed["start"].notna().all()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    ack_lost=st.sampled_from([0.0, 0.1]),
    failing=st.sampled_from([0.0, 0.2]),
    arrangement=st.sampled_from(["competing", "fan-out"]),
)
def test_attempts_agree_with_messages_and_ledger(
    seed: int, ack_lost: float, failing: float, arrangement: str
) -> None:
    result = PublishSubscribe(
        messages=60,
        arrangement=arrangement,
        subscribers=2,
        ack_lost=ack_lost,
        failing=failing,
        attempts=6,
        service=Exponential(0.5),
    ).run(seed)
    check(result)


def check(result: Result) -> None:
    attempts, messages, ledger = result.attempts, result.messages, result.ledger
    counted = attempts.groupby("message").size().reindex(messages["id"], fill_value=0)
    assert counted.tolist() == messages["attempts"].tolist()
    first = attempts.drop_duplicates("message")
    assert (first["attempt"] == 1).all()
    assert len(attempts) - len(first) == ledger.redelivered
    finished = attempts[attempts["outcome"].isin(["acked", "done"])]
    assert len(finished) - finished["message"].nunique() == ledger.redone
    began, ended = attempts["start"].fillna(np.inf), attempts["end"].fillna(np.inf)
    assert (attempts["delivered"] <= began).all()
    assert (attempts["start"].isna() | (began <= ended)).all()
    assert attempts["by"].notna().all()
