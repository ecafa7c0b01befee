"""Prediction against measurement: parts by hand, ratios by hand, a small measurement for real."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simlib.__main__ import main
from simlib.live import prediction
from simlib.live.cases import CASES, SIDE_BY_SIDE, Case
from simlib.live.prediction import COLUMNS, Measurement, Parts, compared, measure_parts, met, report
from simlib.live.targets import Broker, Http, Queue
from simlib.values import ParameterError

KEPT = Path(__file__).parents[2] / "data/live_runs.csv"


def test_each_part_is_measured_call_by_call(tmp_path: Path) -> None:
    parts = measure_parts(Queue(kind="file", sync="batch"), np.full(40, 0.001), where=tmp_path)
    for name in ("put", "get", "service", "ack"):
        values = getattr(parts, name)
        assert len(values) == 36  # The first tenth doesn't count.
        assert (values > 0).all()
    assert (parts.service >= 0.001).all()
    assert list(tmp_path.iterdir()) == []


def test_of_batches_there_is_a_get_and_an_ack_each(tmp_path: Path) -> None:
    parts = measure_parts(Queue(), np.zeros(40), batch_size=10, where=tmp_path)
    assert (len(parts.put), len(parts.get), len(parts.ack)) == (36, 4, 4)


def test_of_a_call_the_work_is_told_by_whoever_does_it(tmp_path: Path) -> None:
    pytest.importorskip("flask")
    parts = measure_parts(Http(), np.full(20, 0.005), where=tmp_path)
    assert (len(parts.put), len(parts.ack)) == (0, 0)
    assert (len(parts.get), len(parts.service)) == (18, 18)
    assert (parts.service >= 0.005).all()


def test_a_model_draws_from_the_parts_and_from_nothing_else() -> None:
    parts = Parts(
        put=np.array([0.001]), get=np.array([0.002]), service=np.array([0.004]), ack=np.empty(0)
    )
    result = parts.model(interarrival=0.0, messages=2).run()
    assert result.messages["finished"].round(9).tolist() == [0.007, 0.013]


def test_parts_in_company_are_what_a_run_shows_by_hand() -> None:
    rows = pd.DataFrame(
        {
            "sent": [0.0, 1.0, 1.5],
            "enqueued": [0.1, 1.2, 1.8],
            "started": [0.4, 1.3, 4.0],
            "finished": [0.9, 3.3, 5.0],
            "acked": [1.0, 3.5, 5.5],
        }
    )
    run: Any = SimpleNamespace(messages=rows, observed=slice(0, None), servers=1)
    alone = Parts(put=np.ones(1), get=np.full(1, 7.0), service=np.ones(1), ack=np.ones(1))
    parts = alone.in_company(run)
    np.testing.assert_allclose(parts.put, [0.1, 0.2, 0.3])
    np.testing.assert_allclose(parts.service, [0.5, 2.0, 1.0])
    np.testing.assert_allclose(parts.ack, [0.1, 0.2, 0.5])
    np.testing.assert_allclose(parts.wake, [0.3, 0.1])  # The third found its consumer at work.
    assert parts.get is alone.get


ROWS = pd.DataFrame(
    {
        "target": "memory",
        "model": ["a"] * 3 + ["b"] * 3,
        "load": "ceiling",
        "metric": "throughput",
        "round": [1, 2, 3] * 2,
        "predicted": 100.0,
        "measured": [50.0, 60.0, 90.0, 99.0, 105.0, 114.0],
        "doubt": [False, True, False] * 2,
    }
)


def test_ratios_are_medians_with_their_range() -> None:
    table = compared(ROWS)
    assert table["ratio"].tolist() == pytest.approx([0.6, 1.05])
    assert table["least"].tolist() == pytest.approx([0.5, 0.99])
    assert table["most"].tolist() == pytest.approx([0.9, 1.14])
    assert (table["rounds"].tolist(), table["doubted"].tolist()) == ([3, 3], [1, 1])
    assert met(table).tolist() == [False, True]


def test_the_report_has_a_line_per_model_and_counts_goals() -> None:
    said = report(ROWS)
    assert re.search(r"memory +a 0\.60 \(0\.50–0\.90\)!", said)
    assert re.search(r"memory +b 1\.05 \(0\.99–1\.14\)!", said)
    assert "ceiling within 15%, first model: 0 of 1" in said
    assert "ceiling within 15%, last model: 1 of 1" in said


def test_a_measurement_has_a_row_for_each_thing_that_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pika")
    nobody = Broker(url="amqp://guest:guest@127.0.0.1:1/%2F")
    cases = {
        "memory": Case(Queue(), 0.001, 1, (SIDE_BY_SIDE,)),
        "rabbitmq": Case(nobody, 0.001, 1, (SIDE_BY_SIDE,)),
    }
    monkeypatch.setattr(prediction, "CASES", cases)
    told: list[str] = []
    wanted = Measurement(targets=("memory", "rabbitmq"), rounds=2, messages=20, loads=(0.5,))
    rows = wanted.run(tmp_path, told.append)
    assert tuple(rows.columns) == COLUMNS
    assert rows.groupby(["load", "metric"]).size().to_dict() == {
        ("ceiling", "throughput"): 2,
        ("0.5", "latency_p50"): 2,
        ("0.5", "latency_p95"): 2,
    }
    assert set(rows["target"]) == {"memory"}
    assert (rows[["predicted", "measured"]] > 0).all(axis=None)
    assert (rows["low"] <= rows["predicted"]).all()
    assert (rows["predicted"] <= rows["high"]).all()
    assert sum(each.startswith("without rabbitmq: no RabbitMQ answers") for each in told) == 1
    assert list(tmp_path.iterdir()) == []


def test_when_its_time_is_up_no_other_target_is_begun() -> None:
    told: list[str] = []
    assert Measurement(duration=1e-9).run(told=told.append).empty
    assert told == ["no more after 1e-09 s"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"targets": ("tape",)}, "targets must be among memory, .*, got tape"),
        ({"targets": ()}, "targets"),
        ({"rounds": 0}, "rounds must be >= 1, got 0"),
        ({"messages": 5}, "messages must be >= 20 messages, got 5"),
        ({"loads": (1.0,)}, "loads must be > 0 and < 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Measurement(**given)


def test_the_command_measures_prints_and_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.csv"
    flags = ["--targets", "memory", "--rounds", "1", "--messages", "20", "--loads", "0.5,"]
    assert main(["measure", *flags, "--keep", str(kept), "--in", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "Measured ÷ predicted" in said.out
    assert said.err == "round 1 of 1: memory\n"
    assert tuple(pd.read_csv(kept).columns) == COLUMNS
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--targets", "tape"], "targets must be among"),
        (["--rounds", "0"], "rounds must be >= 1"),
        (["--round", "1"], "unrecognized arguments"),
        (["PointToPoint"], "measure takes flags alone"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["measure", *flags])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert words in said.err


def test_what_is_kept_is_what_the_command_writes() -> None:
    rows = pd.read_csv(KEPT, dtype={"load": str})
    assert tuple(rows.columns) == COLUMNS
    assert set(rows["target"]) == set(CASES)
    assert rows["machine"].nunique() == 1
    assert (rows[["predicted", "measured"]] > 0).all(axis=None)
    for name, case in CASES.items():
        of = rows[rows["target"] == name]
        assert set(of["model"]) == {model.name for model in case.models}
        assert len(of) == of["round"].nunique() * len(case.models) * 7
