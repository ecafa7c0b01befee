"""Panels without a browser: what the front end would send, and what the learner would see."""

import re
import signal
from typing import Any
from xml.etree import ElementTree

import pytest

from simlib import Deterministic, Exponential, Linger, Outage
from simlib.analysis import replicate
from simlib.present import COLOURS, Panel, lost_and_doubled, panel
from simlib.present.controls import Choice
from simlib.present.verdicts import mean
from simlib.scenarios import DeliveryGuarantees, PointToPoint, PublishSubscribe, SyncVsAsync


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
    """The message that the front end sends when a control is moved, or typed in."""
    if control.kind == "box":
        send(control, typed=str(value))
    else:
        places = control.options if isinstance(control, Choice) else control.stops
        near = [place for place, each in enumerate(places) if _same(each, value)]
        send(control, **({"position": near[0]} if near else {"typed": str(value)}))


def _same(one: Any, other: Any) -> bool:
    return bool(one == other if isinstance(one, str) else one == pytest.approx(other))


def send(control: Any, **state: Any) -> None:
    data = {"method": "update", "state": state, "buffer_paths": []}
    control._handle_msg({"content": {"data": data}, "buffers": []})


def press_reset(shown: Any) -> None:
    data = {"method": "custom", "content": "reset"}
    shown.status._handle_msg({"content": {"data": data}, "buffers": []})


def cells(shown: Panel) -> dict[str, list[str]]:
    """The table below the picture, by its rows' names."""
    table = ElementTree.fromstring(re.sub(r"</table>.*", "</table>", shown.table.value))
    return {
        row.findtext("th") or "": [cell.text or "" for cell in row.findall("td")]
        for row in table.findall("tbody/tr")
    }


def test_a_moved_slider_runs_the_scenario_and_draws_another_picture(load_panel: Panel) -> None:
    before, said = load_panel.picture.value, load_panel.alt
    move(load_panel.controls["load"], 0.5)
    assert load_panel.results["run"].scenario.load == pytest.approx(0.5)
    assert load_panel.alt != said
    assert load_panel.picture.value != before


def test_the_picture_says_what_is_to_be_seen(load_panel: Panel) -> None:
    most = load_panel.results["run"].series["in_system"].max()
    assert f"at most {most:.0f}" in load_panel.alt
    drawn = ElementTree.fromstring(load_panel.picture.value)[0]
    assert drawn.get("aria-label") == load_panel.alt
    assert drawn.get("role") == "img"


def test_what_the_scenario_refuses_is_explained_in_place_of_the_result() -> None:
    shown = panel(PointToPoint, {"linger": LINGERS, "capacity": [None, 2]}, messages=50)
    drawn, table = shown.picture.value, shown.table.value
    move(shown.controls["linger"], "5 per put")
    move(shown.controls["capacity"], "2")
    assert shown.results == {}
    assert "a batch of 5 messages never fits into capacity=2" in shown.picture.value
    assert 'role="alert"' in shown.picture.value
    assert "error" in shown.status.value
    # The old picture and table go on taking their place on the page, and nothing else.
    assert 'class="panel-gone" aria-hidden="true"><svg' in shown.picture.value
    assert "panel-gone" in shown.table._dom_classes
    move(shown.controls["capacity"], "none")
    assert shown.error is None
    assert "alert" not in shown.picture.value
    assert "panel-gone" not in shown.table._dom_classes
    press_reset(shown)
    assert (shown.picture.value, shown.table.value) == (drawn, table)


LINGERS = {"none": None, "5 per put": Linger(size=5, time=1.0)}


def test_the_old_error_is_gone_before_the_next_run_begins() -> None:
    shown = panel(_Nosy, {"consumers": (1, 2)}, messages=10)
    shown.base = _Failing(messages=10)
    shown.run()
    seen.clear()
    shown.base = _Nosy(messages=10)
    seen.append(shown)
    shown.run()
    assert "alert" not in seen[1]
    seen.clear()


seen: list[Any] = []


class _Nosy(PointToPoint):
    """Looks at the panel while it runs."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        seen.extend(each.picture.value for each in seen[:1])
        return super().run(*arguments, **options)


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("load", "5", "5 is too much: 1.2 is the most"),
        ("load", "0.01", "0.01 is too little: 0.1 is the least"),
        ("load", "0,5", "0,5 is no number: write 0.5"),
        ("load", "nan", "nan is no number"),
        ("load", "1e400", "too much"),
        ("consumers", "3.7", "3.7 is no whole number"),
        ("consumers", "", "nothing is no number"),
        ("seed", "1.5", "1.5 is no whole number"),
        ("seed", "-1", "-1 is too little: 0 is the least"),
        ("messages", "0", "0 is too little: 1 is the least"),
        ("messages", "30000000", "30,000,000 is too much: 100,000 is the most"),
        ("messages", "1e400", "too much"),
        ("seed", "1e400", "too much"),
    ],
)
def test_what_cannot_be_taken_is_answered_with_a_word(
    load_panel: Panel, name: str, typed: str, said: str
) -> None:
    control, results = load_panel.controls[name], load_panel.results
    before = control.value
    send(control, typed=typed)
    assert said in control.note
    assert control.value == before
    assert load_panel.results is results
    press_reset(load_panel)
    assert control.note == ""
    assert float(control.typed) == before


def test_any_number_between_the_bounds_may_be_typed(load_panel: Panel) -> None:
    load = load_panel.controls["load"]
    send(load, typed=" .625 ")
    assert load.value == 0.625
    assert load.texts[load.position] in ("0.6", "0.65")
    assert load_panel.results["run"].scenario.load == pytest.approx(0.625)


def test_set_refuses_what_a_learner_could_not_choose(load_panel: Panel) -> None:
    with pytest.raises(ValueError, match=r"load: 5 is too much: 1\.2 is the most"):
        load_panel.set(load=5)
    with pytest.raises(ValueError, match="no control 'speed': load, consumers, messages, seed"):
        load_panel.set(speed=5)
    shown = panel(PointToPoint, {"queue": None}, messages=10)
    with pytest.raises(ValueError, match="queue is one of memory, file, sqlite, and not 'disk'"):
        shown.set(queue="disk")


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
    press_reset(load_panel)
    assert load_panel.controls["load"].value == pytest.approx(0.8)
    assert load_panel.controls["seed"].value == 1
    assert load_panel.picture.value == first


def test_the_same_seed_gives_the_same_table_and_picture(load_panel: Panel) -> None:
    picture, table = load_panel.picture.value, load_panel.table.value
    move(load_panel.controls["seed"], 2)
    assert load_panel.table.value != table
    move(load_panel.controls["seed"], 1)
    assert load_panel.table.value == table
    press_reset(load_panel)
    assert load_panel.picture.value == picture


def test_controls_come_from_what_the_parameters_say_of_themselves() -> None:
    shown = panel(SyncVsAsync, ["mode", "workers", "network", "load"], messages=50)
    assert shown.controls["mode"].options == ["sync", "async"]
    assert (shown.controls["workers"].low, shown.controls["workers"].high) == (1, 1000)
    assert (shown.controls["load"].low, shown.controls["load"].high) == (0.05, 2)
    assert shown.controls["network"].label == "network (s)"
    assert shown.controls["mode"].hint == SyncVsAsync.model_fields["mode"].description


def test_a_choice_may_stand_for_nothing_or_for_a_whole_object() -> None:
    down = (Outage(of="service", start=0.2, duration=1),)
    shown = panel(
        SyncVsAsync, {"outages": {"never": (), "down": down}, "capacity": [None, 3]}, messages=50
    )
    assert shown.results["run"].scenario.outages == ()
    move(shown.controls["outages"], "down")
    assert shown.results["run"].scenario.outages == down
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
    assert repr(shown) == "Panel(PointToPoint: consumers, safety, seed)"
    assert shown.results["run"].scenario.queue == "memory"
    send(slider, position=2)
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
    assert '<th scope="col">call</th><th scope="col">queue</th>' in shown.table.value


def test_the_table_says_so_when_a_run_did_not_finish() -> None:
    shown = panel(PointToPoint, {"load": (0.1, 3.0, 0.1)}, duration=50.0, load=2.0)
    assert "unfinished at the end" in shown.table.value


def test_the_panel_says_when_its_figures_are_in_doubt(load_panel: Panel) -> None:
    assert "In doubt: short for a load of 0.8" in load_panel.table.value
    load_panel.set(load=0.3, messages=5_000)
    assert "In doubt" not in load_panel.table.value


def test_progress_ends_at_its_maximum(load_panel: Panel) -> None:
    assert load_panel.status.part == 1
    assert not load_panel.status.running


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
    assert data["text/html"].startswith('<img alt="Messages in the system')
    assert "run this cell to get the controls" in data["text/html"]
    assert data["text/plain"] == "Panel(PointToPoint: load, consumers, messages, seed)"


def test_crashes_of_a_queue_on_the_disk_are_a_choice_like_any_other() -> None:
    crashes = {"none": (), "at 3 s": (Outage(of="broker", start=3.0, kind="power"),)}
    trial = panel(
        PointToPoint,
        {"queue": None, "sync": None, "outages": crashes},
        table=("lost", "redelivered", "redone"),
        interarrival=Exponential(mean=0.5),
        service=Exponential(mean=1.0),
        messages=20,
    )
    move(trial.controls["queue"], "file")
    move(trial.controls["sync"], "never")
    assert trial.results["run"].ledger.lost == 0
    move(trial.controls["outages"], "at 3 s")
    assert trial.error is None
    assert trial.results["run"].ledger.lost > 0
    assert "delivered again" in trial.table.value


def test_a_table_shows_figures_that_only_this_scenario_has() -> None:
    shown = panel(
        PointToPoint, ["consumers"], table=["latency_mean_1"], messages=20, priorities=(0.5, 0.5)
    )
    assert shown.error is None
    assert "latency in priority class 1, mean" in shown.table.value


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
        assert cells(shown)["messages that arrive"] == ["8 per second"]
        assert cells(shown)["load"] == [f"{80 * factor:.0f} %"]
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


def test_a_load_moved_while_something_else_was_wrong_is_not_forgotten() -> None:
    shown = panel(PointToPoint, {"linger": LINGERS, "capacity": [None, 2], "load": None}, **TRAFFIC)
    shown.set(linger="5 per put", capacity="2")
    assert shown.error is not None
    move(shown.controls["load"], 0.5)
    move(shown.controls["capacity"], "none")
    assert shown.results["run"].scenario.load == pytest.approx(0.5)


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


def test_a_warm_up_that_nobody_can_turn_never_stands_in_the_way() -> None:
    shown = panel(SyncVsAsync, ["messages"], messages=3_000, warmup=1_000)
    for messages, warmup in ((500, 166), (1, 0), (6_000, 2_000)):
        move(shown.controls["messages"], messages)
        assert shown.error is None
        assert shown.results["run"].warmup == warmup


def test_a_run_that_nobody_would_wait_for_is_refused_before_it_begins() -> None:
    shown = panel(PointToPoint, ["duration"], duration=100.0, arrival_rate=10.0)
    move(shown.controls["duration"], 1e6)
    assert "about 10,000,000 messages, and a panel runs 100,000 at most" in shown.picture.value
    assert shown.results == {}


class _Interrupted(PointToPoint):
    """What the Stop button does to the kernel, in the middle of a run."""

    def run(self, *_: Any, **__: Any) -> Any:
        # To this very thread: a signal to the process may wake another one, and this one waits on.
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("nobody was interrupted")


def test_a_run_can_be_stopped_and_the_panel_goes_on(load_panel: Panel) -> None:
    base, load_panel.base = load_panel.base, _Interrupted(**dict(load_panel.base))
    move(load_panel.controls["load"], 0.5)
    assert load_panel.status.value == "stopped"
    assert not load_panel.status.running
    assert load_panel.results == {}
    with pytest.raises(KeyboardInterrupt):  # So that the cells below don't run.
        load_panel.run()
    load_panel.base = base
    move(load_panel.controls["load"], 0.6)
    assert load_panel.error is None
    assert load_panel.results["run"].scenario.load == pytest.approx(0.6)


def grey(shown: Panel) -> int:
    return shown.picture.value.count("#8c8c8c")


def test_the_run_before_stays_in_grey(load_panel: Panel) -> None:
    assert not grey(load_panel)
    move(load_panel.controls["load"], 1.2)
    assert grey(load_panel)
    assert "the run before" in load_panel.picture.value
    assert load_panel.alt.endswith("In grey: the run before.")
    high = ticks(load_panel)
    move(load_panel.controls["load"], 0.3)
    assert ticks(load_panel) == high  # The axis has room for both.
    move(load_panel.controls["load"], 0.35)
    assert ticks(load_panel) != high
    press_reset(load_panel)
    assert not grey(load_panel)


def ticks(shown: Panel) -> list[str]:
    """The numbers beside the vertical axis."""
    found = re.findall(r'text-anchor: end" x="[^"]*"[^>]*>([^<]*)<', shown.picture.value)
    return [each for each in found if each.isdigit()]


def test_bars_stay_in_grey_too() -> None:
    shown = panel(
        DeliveryGuarantees,
        {"ack_lost": (0.0, 0.5, 0.1)},
        draw=lost_and_doubled,
        messages=100,
        ack_lost=0.5,
    )
    assert shown.results["run"].summary()["surplus"] > 80
    move(shown.controls["ack_lost"], 0.0)
    assert grey(shown)
    assert ">80</text>" in shown.picture.value  # The axis has room for the bar before.
    assert shown.picture.value.count("money") == 2  # in the picture and its description


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_every_line_is_seen_on_a_white_page_and_on_a_dark_one(colour: str, page: str) -> None:
    lighter, darker = sorted((_luminance(colour), _luminance(page)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def _luminance(colour: str) -> float:
    """As WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_picture_takes_the_colour_of_the_text_and_leaves_the_page_alone(
    load_panel: Panel,
) -> None:
    drawn = load_panel.picture.value
    assert 'fill="currentColor"' in drawn
    assert "#000000" not in drawn
    assert "<style" not in drawn  # It would hold for the whole page.
    assert "<metadata" not in drawn
    names = re.findall(r'\bid="([^"]*)"', drawn)
    assert names
    assert all(name.startswith(load_panel.model_id) for name in names)
    for used in re.findall(r'(?:url\(#|href="#)([^")]*)', drawn):
        assert used in names


def test_a_table_holds_a_run_against_others_and_against_a_formula() -> None:
    figures = ["latency_mean", "utilisation", "queue_max"]
    options = {"table": figures, "messages": 20_000, "load": 0.5, "runs": 5}
    shown = panel(PointToPoint, ["load", "consumers"], **options)
    heads = re.findall(r'<th scope="col">(.*?)</th>', shown.table.value)
    assert heads == ["run", "mean of 5 runs", "theory"]
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', shown.table.value))
    _, several, theory = re.findall(r"<td>(.*?)</td>", rows["latency, mean"])
    assert theory == "2 s"
    repeated = replicate(shown.results["run"].scenario, 5, 1).interval("latency_mean")
    assert several == str(mean(repeated, "s"))
    assert re.findall(r"<td>(.*?)</td>", rows["waiting, maximum"])[-1] == "–"
    shown.set(load=1.2)
    assert "<td>–</td>" in shown.table.value
