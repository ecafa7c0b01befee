"""What the pictures of the tutorial's code say, they are given."""

from __future__ import annotations

from simlib.live.rabbit.flaws import Finding
from simlib.live.rabbit.rates import Rate
from simlib.present import lost_by_way, rates_by_way


def test_what_is_lost_is_drawn_where_something_is() -> None:
    findings = [
        Finding("auto_ack", "tutorial", 50, 40, 0, ""),
        Finding("auto_ack", "right", 50, 0, 0, ""),
        Finding("no name", "tutorial", 0, 0, 0, "TypeError"),
        Finding("no name", "right", 0, 0, 0, ""),
        Finding("lost confirm", "without ids", 20, 0, 1, ""),
        Finding("lost confirm", "right", 20, 0, 0, ""),
    ]
    ax = lost_by_way(findings)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["auto_ack"]
    assert [text.get_text() for text in ax.texts] == ["80 %", "0 %"]
    assert ax.get_label().endswith("auto_ack: 80 and 0.")


def test_rates_are_drawn_with_their_rounds_and_told_by_kind() -> None:
    rates = [
        Rate("publish", "wait", 100.0, 1.0, 0.9, 1.1),
        Rate("publish", "window", 1_600.0, 16.0, 9.0, 23.0),
        Rate("consume", "auto_ack", 3_400.0, 34.0, 21.0, 62.0),
    ]
    ax = rates_by_way(rates)
    spans = [list(line.get_xdata()) for line in ax.lines]
    assert [9.0, 23.0] in spans
    assert [16.0] in spans
    assert ax.get_label().endswith("publish: wait 1, window 16; consume: auto_ack 34.")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["publish", "consume"]


def test_a_finding_is_read_aloud() -> None:
    assert str(Finding("a", "tutorial", 50, 40, 0, "")) == "tutorial: 40 of 50 lost, no error"
    assert str(Finding("a", "right", 0, 0, 0, "")) == "right: no error"
    assert str(Finding("a", "x", 2, 0, 1, "Lost")) == "x: none of 2 lost, 1 done twice, Lost"
