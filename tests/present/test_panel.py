"""Panels without a browser: what the front end would send, and what the learner would see."""

import base64
import io
import re
from typing import Any

import matplotlib.image
import pytest

from simlib import Crash, Deterministic, Exponential, Outage
from simlib.present import Panel, panel
from simlib.scenarios import PointToPoint, PublishSubscribe, SyncVsAsync


@pytest.fixture
def load_panel() -> Panel:
    return panel(
        PointToPoint,
        {"load": (0.1, 1.2, 0.05), "consumers": (1, 8), "messages": None},
        service=Exponential(mean=0.1),
        messages=200,
        load=0.8,
    )


def move(control: Any, value: Any) -> None:
    """The message that the front end sends when a control is moved."""
    options = getattr(control, "options", None)
    state = {"value": value} if options is None else {"index": options.index(value)}
    data = {"method": "update", "state": state, "buffer_paths": []}
    control._handle_msg({"content": {"data": data}, "buffers": []})


def pixels(shown: Panel) -> Any:
    found = re.search(r'src="data:image/png;base64,([^"]+)"', shown.picture.value)
    assert found
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(found[1])))


def test_a_moved_slider_runs_the_scenario_and_draws_another_picture(load_panel: Panel) -> None:
    before, said = pixels(load_panel), load_panel.alt
    move(load_panel.controls["load"], 0.5)
    assert load_panel.results["run"].scenario.load == pytest.approx(0.5)
    assert load_panel.alt != said
    assert pixels(load_panel).shape == before.shape
    assert (pixels(load_panel) != before).any()


def test_the_picture_says_what_is_to_be_seen(load_panel: Panel) -> None:
    most = load_panel.results["run"].series["in_system"].max()
    assert f"at most {most:.0f}" in load_panel.alt
    assert f'alt="{load_panel.alt}"' in load_panel.picture.value


def test_a_bad_value_is_explained_in_place_of_the_result(load_panel: Panel) -> None:
    move(load_panel.controls["messages"], 0)
    assert load_panel.results == {}
    assert "messages" in load_panel.picture.value
    assert "must be &gt;= 1 messages, got 0" in load_panel.picture.value
    assert "got 0" in load_panel.picture.value
    assert 'role="alert"' in load_panel.picture.value
    assert load_panel.table.value == ""
    assert "error" in load_panel.status.value
    move(load_panel.controls["messages"], 300)
    assert load_panel.error is None
    assert len(load_panel.results["run"].messages) == 300


def test_an_error_text_cannot_bring_html_into_the_page() -> None:
    shown = panel(PointToPoint, {"consumers": (1, 2)}, messages=10)
    shown.base = _Failing(messages=10)
    shown.run()
    assert "<script>" not in shown.picture.value
    assert "&lt;script&gt;" in shown.picture.value


class _Failing(PointToPoint):
    def run(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("<script>alert(1)</script>")


def test_reset_puts_every_control_back_and_runs_once(load_panel: Panel) -> None:
    first = load_panel.picture.value
    move(load_panel.controls["load"], 0.5)
    move(load_panel.controls["seed"], 7)
    load_panel.reset()
    assert load_panel.controls["load"].value == pytest.approx(0.8)
    assert load_panel.controls["seed"].value == 1
    assert load_panel.picture.value == first


def test_the_same_seed_gives_the_same_table_and_picture(load_panel: Panel) -> None:
    picture, table = load_panel.picture.value, load_panel.table.value
    move(load_panel.controls["seed"], 2)
    assert load_panel.table.value != table
    move(load_panel.controls["seed"], 1)
    assert load_panel.table.value == table
    assert load_panel.picture.value == picture


def test_controls_come_from_what_the_parameters_say_of_themselves() -> None:
    shown = panel(SyncVsAsync, ["mode", "workers", "network", "load"], messages=50)
    assert shown.controls["mode"].options == ("sync", "async")
    assert (shown.controls["workers"].min, shown.controls["workers"].max) == (1, 1000)
    assert (shown.controls["load"].min, shown.controls["load"].max) == (0.05, 2)
    assert shown.controls["network"].description == "network (s)"
    assert shown.controls["mode"].tooltip == SyncVsAsync.model_fields["mode"].description


def test_a_choice_may_stand_for_nothing_or_for_a_whole_object() -> None:
    down = Outage(start=0.2, duration=1)
    shown = panel(
        SyncVsAsync, {"outage": {"never": None, "down": down}, "capacity": [None, 3]}, messages=50
    )
    assert shown.results["run"].scenario.outage is None
    move(shown.controls["outage"], "down")
    assert shown.results["run"].scenario.outage == down
    move(shown.controls["capacity"], "3")
    assert shown.results["run"].scenario.capacity == 3


SAFETY = {
    "forgetful": {"queue": "memory", "put_cost": 0.0},
    "in between": {"queue": "file", "sync": "batch", "put_cost": 0.1},
    "safe": {"queue": "file", "sync": "always", "put_cost": 0.2},
}


def test_a_slider_may_set_several_parameters_at_once() -> None:
    shown = panel(PointToPoint, {"consumers": (1, 4)}, steps={"safety": SAFETY}, messages=20)
    slider = shown.controls["safety"]
    assert not slider.continuous_update
    assert repr(shown) == "Panel(PointToPoint: consumers, safety, seed)"
    assert shown.results["run"].scenario.queue == "memory"
    slider._handle_msg(
        {
            "content": {"data": {"method": "update", "state": {"index": 2}, "buffer_paths": []}},
            "buffers": [],
        }
    )
    scenario = shown.results["run"].scenario
    assert (scenario.queue, scenario.sync, scenario.put_cost) == ("file", "always", 0.2)
    shown.set(safety="in between", consumers=3)
    scenario = shown.results["run"].scenario
    assert (scenario.sync, scenario.consumers) == ("batch", 3)
    shown.reset()
    assert shown.results["run"].scenario.queue == "memory"


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ({"sync": SAFETY}, "sync is a parameter"),
        ({"safety": {"one": {"sink": 1}}}, "safety: PointToPoint has no parameter 'sink'"),
    ],
)
def test_a_slider_for_what_is_not_there_is_refused(steps: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        panel(PointToPoint, ["consumers"], steps=steps, messages=10)


def test_variants_meet_the_same_arrivals() -> None:
    shown = panel(
        SyncVsAsync,
        {"load": (0.3, 1.2, 0.1)},
        variants={"call": {"mode": "sync"}, "queue": {"mode": "async"}},
        messages=100,
    )
    call, queue = (shown.results[name].messages["created"] for name in ("call", "queue"))
    assert call.equals(queue)
    assert "<th>call</th>" in shown.table.value
    assert "<th>queue</th>" in shown.table.value


def test_the_table_says_so_when_a_run_did_not_finish() -> None:
    shown = panel(PointToPoint, {"load": (0.1, 3.0, 0.1)}, duration=50.0, load=2.0)
    assert "unfinished at the end" in shown.table.value


def test_the_panel_says_when_its_figures_are_in_doubt(load_panel: Panel) -> None:
    assert "In doubt: short for a load of 0.8" in load_panel.table.value
    load_panel.set(load=0.3, messages=5_000)
    assert "In doubt" not in load_panel.table.value


def test_progress_ends_at_its_maximum(load_panel: Panel) -> None:
    assert load_panel.progress.value == load_panel.progress.max


@pytest.mark.parametrize("name", ["speed", "consumer"])
def test_an_unknown_parameter_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"PointToPoint has no parameter '{name}'"):
        panel(PointToPoint, [name], messages=10)


def test_a_parameter_without_numbers_needs_its_choices() -> None:
    with pytest.raises(ValueError, match="interarrival is no number"):
        panel(PointToPoint, ["interarrival"], messages=10)


def test_readers_that_show_no_widgets_get_the_picture(load_panel: Panel) -> None:
    bundle = load_panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"] == load_panel.picture.value
    assert data["text/plain"] == "Panel(PointToPoint: load, consumers, messages, seed)"


def test_crashes_of_a_queue_on_the_disk_are_a_choice_like_any_other() -> None:
    crashes = {"none": (), "at 3 s": (Crash(what="power", at=3.0),)}
    trial = panel(
        PointToPoint,
        {"queue": None, "sync": None, "crashes": crashes},
        table=("lost", "redelivered", "redone"),
        interarrival=Exponential(mean=0.5),
        service=Exponential(mean=1.0),
        messages=20,
    )
    move(trial.controls["queue"], "file")
    move(trial.controls["sync"], "never")
    assert trial.results["run"].ledger.lost == 0
    move(trial.controls["crashes"], "at 3 s")
    assert trial.error is None
    assert trial.results["run"].ledger.lost > 0
    assert "delivered again" in trial.table.value


def test_a_table_shows_figures_that_only_this_scenario_has() -> None:
    shown = panel(
        PointToPoint, ["consumers"], table=["latency_mean_1"], messages=20, priorities=(0.5, 0.5)
    )
    assert shown.error is None
    assert "latency_mean_1" in shown.table.value


TRAFFIC = {"messages": 400, "service": Exponential(mean=0.1)}


@pytest.mark.parametrize(
    ("scenario", "name", "value", "less_busy"),
    [
        (PointToPoint(consumers=1, **TRAFFIC), "consumers", 2, True),
        (PointToPoint(consumers=2, **TRAFFIC), "consumers", 1, False),
        (SyncVsAsync(workers=2, **TRAFFIC), "workers", 4, True),
        (PublishSubscribe(arrangement="competing", **TRAFFIC), "slow_factor", 4.0, False),
        (PublishSubscribe(arrangement="competing", **TRAFFIC), "subscribers", 5, True),
        (PublishSubscribe(arrangement="group", **TRAFFIC), "subscribers", 6, True),
    ],
)
@pytest.mark.parametrize("traffic", ["load", "arrival_rate"])
def test_messages_go_on_arriving_when_somebody_is_added_or_slowed_down(
    scenario: Any, name: str, value: Any, less_busy: bool, traffic: str
) -> None:
    shown = panel(scenario, [traffic, name], load=0.7)
    before = shown.results["run"]
    move(shown.controls[name], value)
    after = shown.results["run"]
    assert after.scenario.interarrival == before.scenario.interarrival
    assert (after.scenario.load < before.scenario.load) is less_busy
    assert shown.controls[traffic].value == pytest.approx(getattr(after.scenario, traffic))
    created = [each.messages["created"].drop_duplicates() for each in (before, after)]
    assert created[0].to_numpy() == pytest.approx(created[1].to_numpy())


def test_a_subscriber_made_slower_falls_behind() -> None:
    everybody = PublishSubscribe(service=Exponential(mean=0.1), messages=400, prefetch=1)
    shown = panel(everybody, {"load": (0.3, 1.2, 0.05), "slow_factor": (1.0, 5.0, 0.5)}, load=0.8)
    waiting = []
    for factor in (1.0, 1.5, 2.0, 3.0, 5.0):
        move(shown.controls["slow_factor"], factor)
        waiting.append(shown.results["run"].summary()["queue_mean_3"])
        assert shown.results["run"].scenario.arrival_rate == pytest.approx(8)
        assert f"<td>{80 * factor:.0f} %</td>" in shown.table.value  # the load, in the table
    assert waiting == sorted(waiting)
    assert waiting[-1] > 20 * waiting[0]


def test_the_load_sets_the_arrivals_when_it_is_moved_itself() -> None:
    shown = panel(
        PointToPoint, {"load": (0.1, 1.2, 0.05), "arrival_rate": None, "consumers": None}, **TRAFFIC
    )
    move(shown.controls["load"], 0.5)
    assert shown.controls["arrival_rate"].value == pytest.approx(5)
    move(shown.controls["consumers"], 2)
    assert shown.controls["load"].value == pytest.approx(0.25)
    move(shown.controls["arrival_rate"], 10.0)
    assert shown.controls["load"].value == pytest.approx(0.5)
    shown.set(load=0.8, consumers=4)
    assert shown.results["run"].scenario.arrival_rate == pytest.approx(32)
    with pytest.raises(ValueError, match="only one of load and arrival_rate"):
        shown.set(load=0.5, arrival_rate=3.0)
    shown.reset()
    assert shown.results["run"].scenario.interarrival == shown.base.interarrival


def test_a_load_moved_while_something_else_was_wrong_is_not_forgotten(load_panel: Panel) -> None:
    move(load_panel.controls["messages"], 0)
    move(load_panel.controls["load"], 0.5)
    assert load_panel.error is not None
    move(load_panel.controls["messages"], 100)
    assert load_panel.results["run"].scenario.load == pytest.approx(0.5)


def test_the_arrivals_may_be_chosen_themselves() -> None:
    rhythms = {"random": Exponential(mean=0.2), "regular": Deterministic(value=0.1)}
    shown = panel(
        PointToPoint,
        {"interarrival": rhythms, "load": None, "consumers": None},
        interarrival=rhythms["random"],
        **TRAFFIC,
    )
    move(shown.controls["interarrival"], "regular")
    assert shown.controls["load"].value == pytest.approx(1.0)
    move(shown.controls["load"], 0.5)
    assert shown.results["run"].scenario.interarrival == Deterministic(value=0.2)
    move(shown.controls["consumers"], 2)
    assert shown.results["run"].scenario.interarrival == Deterministic(value=0.2)
