"""A broker's picture, what it says, and the playground that lights it up."""

from __future__ import annotations

import re
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from simlib.broker import Broker
from simlib.present import COLOURS, RoutingPlayground, axes, show, subscribers_over_time, topology
from simlib.scenarios import PublishSubscribe

LIT = COLOURS[1]


@pytest.fixture
def shop() -> Broker:
    broker = Broker()
    broker.declare_exchange("events", "topic")
    broker.declare_exchange("errors", "fanout")
    broker.declare_queue("dead")
    broker.declare_queue("billing", dead_letter_exchange="", dead_letter_routing_key="dead")
    broker.declare_queue("audit")
    broker.declare_queue("on call")
    broker.bind("billing", "events", "order.*")
    broker.bind("audit", "events", "#")
    broker.bind("audit", "events", "order.paid")
    broker.bind_exchange("errors", "events", "*.failed")
    broker.bind("on call", "errors")
    return broker


def lit(ax: Axes) -> set[str]:
    """The names in the boxes that are lit up."""
    boxes = {text.get_text().partition("\n")[0]: text.get_bbox_patch() for text in ax.texts}
    return {name for name, box in boxes.items() if box and box.get_facecolor() == to_rgba(LIT)}


def thick(ax: Axes) -> int:
    return sum(line.get_linewidth() == 3 for line in ax.lines)


def test_shows_every_exchange_that_takes_part_and_every_queue(shop: Broker) -> None:
    shop.publish("events", "order.paid", b"")
    ax = topology(shop)
    shown = [text.get_text() for text in ax.texts]
    assert {"events\ntopic", "errors\nfanout", "billing\n1 ready", "dead\n0 ready"} <= {*shown}
    assert {"order.*", "#\norder.paid", "*.failed"} <= {*shown}
    assert not any("amq." in text for text in shown)
    assert lit(ax) == set()
    assert thick(ax) == 0


def test_the_way_of_a_message_lights_up_and_nothing_is_published(shop: Broker) -> None:
    ax = topology(shop, exchange="events", routing_key="order.failed")
    assert lit(ax) == {"events", "errors", "billing", "audit", "on call"}
    assert thick(ax) == 4
    assert shop.message_count("audit") == 0
    assert lit(topology(shop, exchange="events", routing_key="user.new")) == {"events", "audit"}


def test_what_is_to_be_seen_is_said(shop: Broker) -> None:
    said = show(topology(shop, exchange="events", routing_key="order.paid")).alt
    assert "The topic exchange events sends order.* to billing" in said
    assert "The fanout exchange errors sends everything to on call." in said
    assert "Dead letters of billing go to dead." in said
    assert "A message with the routing key 'order.paid' gets to billing and audit." in said
    unheard = show(topology(shop, exchange="errors", routing_key="x", headers={"a": 1})).alt
    assert "A message with the headers {'a': 1} gets to on call." in unheard


def test_draws_on_the_axes_it_is_given(shop: Broker) -> None:
    ax = axes()
    assert topology(shop, ax) is ax
    assert ax.has_data()


def test_a_broker_without_bindings_has_a_picture_too() -> None:
    with Broker() as broker:
        broker.declare_queue("alone")
        assert "alone\n0 ready" in [text.get_text() for text in topology(broker).texts]


def test_exchanges_in_a_circle_have_a_picture_too() -> None:
    with Broker() as broker:
        for name in ("a", "b"):
            broker.declare_exchange(name, "fanout")
        broker.bind_exchange("a", "b")
        broker.bind_exchange("b", "a")
        assert lit(topology(broker, exchange="a")) == {"a", "b"}


# The playground


@pytest.fixture
def play() -> RoutingPlayground:
    wanted = {"billing": "order.*", "mail": "*.created", "audit": "#"}
    return RoutingPlayground(wanted, key="order.created")


def enter(control: Any, value: str) -> None:
    """The message that the front end sends when somebody has typed, or chosen."""
    options = getattr(control, "options", None)
    state = {"typed": value} if options is None else {"position": options.index(value)}
    data = {"method": "update", "state": state, "buffer_paths": []}
    control._handle_msg({"content": {"data": data}, "buffers": []})


def test_a_typed_key_lights_up_other_queues(play: RoutingPlayground) -> None:
    assert play.reached == ["audit", "billing", "mail"]
    before = play.picture.value
    enter(play.controls["key"], "order.item.paid")
    assert play.reached == ["audit"]
    assert play.status.value == "gets to audit"
    assert play.picture.value != before
    assert f'alt="{play.alt}"'.replace("'", "&#x27;") in play.picture.value


def test_blanks_around_a_pattern_do_not_count(play: RoutingPlayground) -> None:
    enter(play.controls["key"], " order.created ")
    enter(play.controls["billing"], "order.*  ")
    assert play.reached == ["audit", "billing", "mail"]


def test_a_long_pattern_stays_in_the_picture() -> None:
    pattern = "an.order.with.a.name.that.goes.on.and.on.and.on.and.on.and.on.for.ever.*"
    broker = Broker()
    broker.declare_exchange("events", "topic")
    for name in (pattern, "other"):
        broker.declare_queue(name)
        broker.bind(name, "events", pattern)
    ax = topology(broker)
    assert pattern in ax.get_label()
    figure = ax.get_figure()
    figure.draw_without_rendering()
    for text in ax.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width


def test_a_typed_pattern_counts_at_once(play: RoutingPlayground) -> None:
    enter(play.controls["mail"], "user.#")
    assert play.reached == ["audit", "billing"]
    enter(play.controls["audit"], "nothing")
    enter(play.controls["billing"], "")
    assert play.reached == []
    assert play.status.value == "gets to no queue"


@pytest.mark.parametrize(
    ("kind", "reached"), [("direct", []), ("fanout", ["audit", "billing", "mail"])]
)
def test_another_type_decides_in_another_way(
    play: RoutingPlayground, kind: str, reached: list[str]
) -> None:
    enter(play.controls["type"], kind)
    assert play.reached == reached


def test_headers_are_written_as_pairs(play: RoutingPlayground) -> None:
    play.set(
        type="headers",
        key="country=ch, paid=yes",
        billing="country=ch, paid=yes",
        mail="country=at, paid=yes, x-match=any",
        audit="country=at",
    )
    assert play.reached == ["billing", "mail"]
    assert "the headers" in play.alt


def test_what_is_no_header_is_explained_and_can_be_undone(play: RoutingPlayground) -> None:
    enter(play.controls["type"], "headers")
    assert play.reached == []
    assert "a header is written as name=value, got" in play.picture.value
    assert isinstance(play.error, ValueError)
    play.reset()
    assert play.error is None
    assert play.reached == ["audit", "billing", "mail"]


def test_the_playground_is_shown_as_a_picture_where_there_are_no_widgets(
    play: RoutingPlayground,
) -> None:
    assert repr(play) == "RoutingPlayground(type, key, billing, mail, audit)"
    bundle = play._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert re.search(r'<img alt="The topic exchange', data["text/html"])


# Subscribers


def test_each_queue_of_a_fan_out_has_a_line() -> None:
    result = PublishSubscribe(messages=200, slow_factor=3.0).run(1)
    ax = subscribers_over_time({"run": result})
    # The first two do the same work for the same messages: one line would hide the other.
    assert [line.get_label() for line in ax.lines] == ["queue 1, queue 2", "queue 3"]
    most = [line.get_ydata().max() for line in ax.lines]
    assert most[1] > 2 * most[0]


def test_competing_subscribers_are_told_apart_by_what_they_did() -> None:
    result = PublishSubscribe(messages=200, arrangement="competing").run(1)
    ax = subscribers_over_time({"a": result, "b": result})
    assert ax.lines[0].get_label() == "a: done by subscriber 1"
    assert len(ax.lines) == 6


def test_what_competing_subscribers_have_not_done_is_seen() -> None:
    too_much = PublishSubscribe(arrangement="competing", subscribers=2, duration=100)
    ax = subscribers_over_time({"run": too_much.replace(load=1.5).run(1)})
    assert [line.get_label() for line in ax.lines][-1] == "done by nobody in the end"
    assert ax.lines[-1].get_ydata()[-1] > 20
