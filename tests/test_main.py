"""The command line: each parameter a flag, figures on one side and errors on the other."""

import json
import subprocess
import sys
from typing import Any

import pytest

from simlib import Exponential, Outage
from simlib.__main__ import main
from simlib.analysis import DoubtWarning, sweep
from simlib.scenarios import Pipeline, PointToPoint
from simlib.values import parameters_of


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What the command prints as JSON, with nothing wrong."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says is wrong, with nothing printed beside."""
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    return said.err


def test_a_run_gives_the_figures_of_the_same_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--consumers", "2", "--service", "Exponential(0.5)", "--messages", "1000")
    told = answer(capsys, "run", "PointToPoint", *flags, "--seed", "3")
    scenario = PointToPoint(consumers=2, service=Exponential(0.5), messages=1000)
    result = scenario.run(3)
    assert PointToPoint(**told["parameters"]) == scenario
    assert told["summary"] == pytest.approx(dict(result.summary()))
    assert (told["scenario"], told["seed"], told["engine"]) == ("PointToPoint", 3, "vector")
    assert tuple(told["doubts"]) == result.doubts()


def test_people_read_words_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "PointToPoint", "--messages", "100", "--load", "0.5"]) == 0
    said = capsys.readouterr()
    assert "seed 1, vector\n" in said.out
    assert "latency, mean" in said.out
    assert "In doubt" not in said.out
    assert "in doubt: short for a load of 0.5" in said.err


@pytest.mark.parametrize(
    "written",
    [
        'Outage(of="broker", start=1, kind="power"),',
        '[{"of": "broker", "start": 1, "kind": "power"}]',
        '(Outage(of="broker", start=1.0, kind="power"),)',
    ],
)
def test_values_within_values_are_written_as_in_python_or_in_json(
    capsys: pytest.CaptureFixture[str], written: str
) -> None:
    told = answer(
        capsys, "run", "PointToPoint", "--messages=5", "--queue=file", "--outages", written
    )
    outage = Outage(of="broker", start=1, kind="power")
    assert PointToPoint(**told["parameters"]).outages == (outage,)


def test_stations_of_a_pipeline_are_given_in_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    rows = "[Station(service=0.5), {'service': {'kind': 'exponential', 'mean': 0.2}}]"
    told = answer(capsys, "run", "Pipeline", "--messages", "10", "--stations", rows)
    services = [each.service for each in Pipeline(**told["parameters"]).stations]
    assert services[1] == Exponential(0.2)


@pytest.mark.parametrize(
    ("text", "value"), [("none", None), ("None", None), ("7", 7), ("1e3", 1e3)]
)
def test_nothing_and_numbers(capsys: pytest.CaptureFixture[str], text: str, value: Any) -> None:
    told = answer(capsys, "run", "PointToPoint", "--messages", "5", "--duration", text)
    assert told["parameters"]["duration"] == value


def test_yes_and_no(capsys: pytest.CaptureFixture[str]) -> None:
    for text, value in (("yes", True), ("false", False)):
        told = answer(capsys, "run", "DeliveryGuarantees", "--messages=5", "--confirms", text)
        assert told["parameters"]["confirms"] is value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--consumers", "0"), "consumers must be >= 1, got 0"),
        (("--consumers", "two"), "consumers must be a whole number, got 'two'"),
        (("--put-cost", "-1"), "put_cost must be >= 0 s, got -1"),
        (("--queue", "disk"), "queue must be 'memory', 'file' or 'sqlite', got 'disk'"),
        (("--load", "5"), "load must be a number > 0 and <= 2, got 5"),
        (("--service", "Fast(1)"), "there is no Fast(...); there are Batches,"),
        (("--service", "Exponential(-1)"), "Exponential: mean must be > 0, got -1"),
        (("--service", "().__class__"), "is no value: write it as in Python or in JSON"),
        (("--service", "[x for x in 3]"), "is no value: write it as in Python or in JSON"),
        (("--engine", "fast"), "engine must be one of"),
        (("--seed", "x"), "argument --seed: invalid int value"),
        (("--consumer", "2"), "unrecognized arguments: --consumer"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, "run", "PointToPoint", "--messages", "5", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "Nothing"), "there is no scenario 'Nothing'; there are ApiStyles,"),
        (("run",), "name a scenario: ApiStyles,"),
        (("walk", "PointToPoint"), "invalid choice: 'walk'"),
        (("list", "PointToPoint"), "list takes nothing but --json"),
        (("sweep", "PointToPoint"), "required: --over"),
        (("sweep", "PointToPoint", "--messages=5", "--over", "consumers"), "is written as"),
        (("sweep", "PointToPoint", "--messages=5", "--over", "speed=1,2"), "speed"),
        (("run", "PointToPoint"), "a run needs an end: give messages, or duration, or both"),
    ],
)
def test_a_wrong_command_is_explained(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, *arguments)


def test_a_sweep_gives_the_same_table(capsys: pytest.CaptureFixture[str]) -> None:
    over = ("--over", "consumers=1,2", "--over", "service=Exponential(0.5),1")
    command = ("sweep", "PointToPoint", "--messages", "100", *over, "--replications", "2")
    told = answer(capsys, *command)
    assert [row["consumers"] for row in told] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert told[0]["service"] == "Exponential(mean=0.5)"
    points = {"consumers": [1, 2], "service": [Exponential(0.5), 1]}
    with pytest.warns(DoubtWarning):
        table = sweep(PointToPoint(messages=100), points, replications=2, progress=False)
    assert [row["latency_mean"] for row in told] == pytest.approx(list(table["latency_mean"]))
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("consumers,service,replication,seed,")
    assert len(lines) == 9


def test_theory_is_set_beside_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    command = ("explain", "PointToPoint", "--load", "0.5", "--messages", "2000")
    told = answer(capsys, *command)
    assert told["model"] == "M/M/1"
    assert told["figures"]["wait_mean"] == {"predicted": pytest.approx(1.0)}
    assert main([*command, "--replications", "3"]) == 0
    said = capsys.readouterr().out
    assert "wait, mean: 1 s predicted, " in said
    assert " observed: " in said


def test_all_scenarios_are_listed_each_with_its_question(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = answer(capsys, "list")
    assert told["PointToPoint"].startswith("A producer puts messages into a queue")
    assert "Scenario" not in told
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said and question in said for name, question in told.items())


def test_help_names_every_parameter_with_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "PointToPoint", "--help"])
    assert not end.value.code
    said = capsys.readouterr().out
    for name in parameters_of(PointToPoint):
        assert f"--{name.replace('_', '-')}" in said
    assert "1 to 1,000" in said


def test_help_needs_nothing_but_python() -> None:
    program = (
        "import sys\nfrom simlib.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'pydantic', 'simpy'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run PointToPoint" in done.stdout or "run NAME" in done.stdout
