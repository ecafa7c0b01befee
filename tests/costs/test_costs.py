"""Cost profiles: read, written, asked, and the one that comes with the workbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.costs import Cost, CostProfile, CostProfileError, Operation, Sync
from simlib.values import ParameterError

HEADER = "queue,sync,operation,batch_size,p50,p95,p99,mean,samples\n"
ROW = "file,always,put,1,0.1,0.2,0.3,0.15,100\n"


def _cost(**changes: Any) -> Cost:
    figures = dict.fromkeys(("p50", "p95", "p99", "mean"), 0.5)
    return Cost(
        **{
            "queue": "file",
            "sync": "always",
            "operation": "put",
            "batch_size": 1,
            "samples": 10,
            **figures,
            **changes,
        }
    )


seconds = st.floats(0.0, 10.0)


@given(
    st.lists(
        st.builds(
            Cost,
            queue=st.sampled_from(["memory", "file", 'odd, "name"']),
            sync=st.sampled_from(get_args(Sync)),
            operation=st.sampled_from(get_args(Operation)),
            batch_size=st.integers(1, 1000),
            p50=seconds,
            p95=seconds,
            p99=seconds,
            mean=seconds,
            samples=st.integers(1, 10**6),
        ),
        min_size=1,
        unique_by=lambda cost: (cost.queue, cost.sync, cost.operation, cost.batch_size),
    )
)
def test_a_profile_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, costs: list[Cost]
) -> None:
    profile = CostProfile(
        machine=(("CPU", "fast: very, very"), ("System", "Linux")), costs=tuple(costs)
    )
    path = tmp_path_factory.mktemp("costs") / "profile.csv"
    profile.write(path)
    assert CostProfile.read(path) == profile
    assert [each.name for each in path.parent.iterdir()] == ["profile.csv"]
    assert CostProfile.model_validate_json(profile.model_dump_json()) == profile


def test_a_write_that_fails_leaves_the_old_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "profile.csv"
    CostProfile(costs=(_cost(),)).write(path)
    before = path.read_bytes()

    def fails(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        CostProfile(costs=(_cost(mean=1.0),)).write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_between_two_batch_sizes_a_call_costs_what_lies_on_the_line() -> None:
    profile = CostProfile(costs=(_cost(mean=2.0), _cost(batch_size=11, mean=1.0)))
    call = profile.timing("file", "always", "put")
    assert [call(messages) for messages in (1, 6, 11, 22)] == [2.0, 6.5, 11.0, 22.0]


def test_a_single_size_stands_for_all() -> None:
    call = CostProfile(costs=(_cost(mean=2.0),)).timing("file", "always", "put")
    assert [call(messages) for messages in (1, 3)] == [2.0, 6.0]


@pytest.mark.parametrize(
    "asked",
    [("sqlite", "always", "put"), ("file", "never", "put"), ("file", "always", "synced ack")],
)
def test_what_was_not_measured_is_named_beside_what_was(asked: tuple[str, str, str]) -> None:
    profile = CostProfile(costs=(_cost(), _cost(queue="memory", sync="batch")))
    names = dict(zip(("queue", "sync", "operation"), asked, strict=True))
    wanted = ", ".join(f"{name}={value!r}" for name, value in names.items())
    with pytest.raises(CostProfileError, match=re.escape(wanted)) as caught:
        profile.timing(*asked)
    assert "file with sync='always', memory with sync='batch'" in str(caught.value)


def test_batches_alone_do_not_say_what_a_single_call_costs() -> None:
    with pytest.raises(CostProfileError, match="batch_size=1"):
        CostProfile(costs=(_cost(batch_size=5),)).timing("file", "always", "put")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must begin with the columns queue,sync"),
        ("# CPU: fast\n", "must begin with the columns queue,sync"),
        ("queue,sync\n" + ROW, "must begin with the columns queue,sync"),
        (HEADER, "at least 1"),
        (HEADER + ROW + "file,always,put\n", "line 3: 3 cells instead of 9"),
        ("# CPU: fast\n" + HEADER + ROW.replace("0.15", "-1"), "line 3: mean .* got -1.0"),
        (HEADER + ROW.replace("0.15", "soon"), "line 2: mean .* got 'soon'"),
        (HEADER + ROW.replace("0.15", "nan"), "line 2: mean .*finite.* got nan"),
        (HEADER + ROW.replace("put", "peek"), "line 2: operation .* got 'peek'"),
        (HEADER + ROW + ROW, "given once, got queue='file'"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_with_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "profile.csv"
    path.write_text(text)
    with pytest.raises(CostProfileError, match=complaint) as caught:
        CostProfile.read(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CostProfileError, match="is not UTF-8"):
        CostProfile.read(path)
    with pytest.raises(FileNotFoundError):
        CostProfile.read(tmp_path / "nothing.csv")


def test_a_profile_is_a_value() -> None:
    profile = CostProfile(costs=(_cost(),))
    assert len({profile, CostProfile(costs=(_cost(),))}) == 1
    with pytest.raises(ParameterError, match="frozen"):
        profile.costs = ()
    with pytest.raises(ParameterError, match="at least 1"):
        CostProfile(costs=())


# The one that comes with the workbook


@pytest.mark.parametrize("queue", ["file", "sqlite"])
@pytest.mark.parametrize("sync", get_args(Sync))
def test_the_shipped_profile_knows_all_that_a_run_may_ask(queue: str, sync: str) -> None:
    for operation in get_args(Operation):
        call = CostProfile.shipped().timing(queue, sync, operation)
        assert 0 < call(1) <= call(100)


def test_the_shipped_profile_says_what_was_measured_where() -> None:
    profile = CostProfile.shipped()
    facts = dict(profile.machine)
    assert {"CPU", "System", "Python", "SQLite", "File system", "Date"} <= facts.keys()
    assert all(cost.samples >= 90 for cost in profile.costs)
    assert {cost.batch_size for cost in profile.costs} == {1, 100}


def test_an_installed_library_has_its_profile_beside_it() -> None:
    root = Path(__file__).parents[2]
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert '"data/queue_costs.csv" = "simlib/queue_costs.csv"' in text
    assert (root / "data/queue_costs.csv").is_file()
