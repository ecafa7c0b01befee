"""The notebooks' panels, moved by hand in a real browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tools.lab import Lab, lab, run_all_cells, wait_until_idle
from tools.lab import chromium as open_chromium

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the workbook."""
    copy = tmp_path_factory.mktemp("workbook")
    for folder in ("notebooks", "data"):
        shutil.copytree(
            ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
    with lab(tmp_path_factory.mktemp("lab"), copy / "notebooks") as running:
        yield running


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    """A page on which nothing may go wrong, and that may ask for nothing outside."""
    with open_chromium(chromium) as (page, trouble):
        yield page
        assert not trouble


def picture(page: Page) -> str:
    source = page.locator(".panel-picture img").get_attribute("src")
    assert source is not None
    assert source.startswith("data:image/png")
    return source


def after(page: Page, before: str) -> str:
    """The picture, once it is another one than before."""
    expect(page.locator(".panel-picture img")).not_to_have_attribute("src", before)
    wait_until_idle(page)
    return picture(page)


def bring_into_view(page: Page) -> None:
    page.locator(".panel").scroll_into_view_if_needed()


def readout(page: Page, control: str) -> str:
    return page.locator(f".{control} .widget-readout").text_content() or ""


def test_a_panel_answers_to_keys_the_mouse_and_the_keyboard(server: Lab, page: Page) -> None:
    page.goto(server.address("00_start_here.ipynb"))
    run_all_cells(page)
    bring_into_view(page)
    first = picture(page)
    assert readout(page, "control-load") == "0.90"  # where a cell below put it

    handle = page.locator(".control-load .noUi-handle")
    handle.focus()
    page.keyboard.press("ArrowRight")
    second = after(page, first)
    assert readout(page, "control-load") == "0.95"

    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 60, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    third = after(page, second)
    assert float(readout(page, "control-load")) < 0.95

    page.locator(".control-seed input").fill("2")
    page.locator(".control-seed input").press("Enter")
    fourth = after(page, third)

    page.locator(".control-seed input").fill("-1")
    page.locator(".control-seed input").press("Enter")
    error = page.locator(".panel-picture [role=alert]")
    expect(error).to_have_text(re.compile("seed must be a whole number >= 0, got -1"))
    expect(page.locator(".panel-picture img")).to_have_count(0)

    page.locator("button.panel-reset").click()
    expect(error).to_have_count(0)
    wait_until_idle(page)
    assert picture(page) not in {first, second, third, fourth}
    assert readout(page, "control-load") == "0.80"
    alt = page.locator(".panel-picture img").get_attribute("alt") or ""
    assert "Messages in the system" in alt


def test_the_first_question_runs_and_its_dropdown_brings_an_outage(server: Lab, page: Page) -> None:
    page.goto(server.address("01_sync_or_async.ipynb"))
    page.set_default_timeout(240_000)
    run_all_cells(page)
    page.set_default_timeout(60_000)
    bring_into_view(page)
    before = picture(page)
    assert page.locator(".panel-table").text_content()
    page.locator(".control-outage select").select_option("down for 20 s")
    after(page, before)
    lost = page.locator(".panel-table tr", has_text="failed or lost")
    expect(lost.locator("td").nth(0)).not_to_have_text("0 messages")  # calls fail
    expect(lost.locator("td").nth(1)).to_have_text("0 messages")  # they wait

    page.locator(".control-messages input").fill("0")
    page.locator(".control-messages input").press("Enter")
    expect(page.locator(".panel-picture [role=alert]")).to_contain_text("messages")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_bound_on_the_queue_turns_messages_away(server: Lab, page: Page) -> None:
    page.goto(server.address("02_message_queues.ipynb"))
    page.set_default_timeout(240_000)
    run_all_cells(page)
    page.set_default_timeout(60_000)
    bring_into_view(page)
    before = picture(page)
    dropped = page.locator(".panel-table tr", has_text="dropped").locator("td")
    expect(dropped).to_have_text("0 messages")

    page.locator(".control-capacity select").select_option("10 may wait")
    bounded = after(page, before)
    expect(dropped).not_to_have_text("0 messages")
    expect(page.locator(".panel-table tr", has_text="waiting, maximum")).to_contain_text("10")

    page.locator(".control-consumers .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    after(page, bounded)
    assert readout(page, "control-consumers") == "2"
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_lost_publish_harms_only_those_who_send_once(server: Lab, page: Page) -> None:
    page.goto(server.address("04_delivery_guarantees.ipynb"))
    page.set_default_timeout(240_000)
    run_all_cells(page)
    page.set_default_timeout(60_000)
    bring_into_view(page)
    before = picture(page)
    missing = page.locator(".panel-table tr", has_text="never booked").locator("td")
    doubled = page.locator(".panel-table tr", has_text="booked more than once").locator("td")
    expect(missing).to_have_text(["0 messages"] * 3)
    expect(doubled.nth(1)).not_to_have_text("0 messages")
    expect(doubled.nth(2)).to_have_text("0 messages")

    page.locator(".control-publish-lost .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    lossy = after(page, before)
    assert readout(page, "control-publish-lost") == "0.05"
    expect(missing.nth(0)).not_to_have_text("0 messages")
    expect(missing.nth(1)).to_have_text("0 messages")

    # Repetitions of what is not confirmed come after a second, and the memory is shorter.
    page.locator(".control-confirm-lost .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    confirmed = after(page, lossy)
    expect(doubled.nth(2)).to_have_text("0 messages")
    page.locator(".control-window select").select_option("0.5 s")
    after(page, confirmed)
    expect(doubled.nth(2)).not_to_have_text("0 messages")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_routing_key_lights_up_queues_and_a_slow_subscriber_falls_behind(
    server: Lab, page: Page
) -> None:
    page.goto(server.address("05_publish_subscribe.ipynb"))
    page.set_default_timeout(240_000)
    run_all_cells(page)
    page.set_default_timeout(60_000)
    page.locator(".playground").scroll_into_view_if_needed()
    status = page.locator(".playground-status")
    expect(status).to_have_text("gets to audit, billing")
    drawn = page.locator(".playground-picture img")
    before = drawn.get_attribute("src") or ""
    page.locator(".control-key input").fill("order.item.paid")
    page.locator(".control-key input").press("Enter")
    expect(status).to_have_text("gets to audit")
    expect(drawn).not_to_have_attribute("src", before)
    page.locator(".control-billing input").fill("order.#")
    page.locator(".control-billing input").press("Enter")
    expect(status).to_have_text("gets to audit, billing")
    page.locator(".control-type select").select_option("headers")
    expect(page.locator(".playground-picture [role=alert]")).to_contain_text("name=value")
    page.locator("button.playground-reset").click()
    expect(status).to_have_text("gets to audit, billing")

    bring_into_view(page)
    slow = picture(page)
    page.locator(".control-arrangement select").select_option("competing")
    competing = after(page, slow)
    assert "done by subscriber 3" in (page.locator(".panel-picture img").get_attribute("alt") or "")
    page.locator(".control-slow-factor .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    after(page, competing)
    assert readout(page, "control-slow-factor") == "2.5"
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_notebook_shows_its_pictures_before_anything_is_run(server: Lab, page: Page) -> None:
    page.goto(server.address("00_start_here.ipynb"))
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    shown = page.locator(".jp-OutputArea img")
    expect(shown.first).to_be_attached()
    assert "Messages in the system" in (shown.first.get_attribute("alt") or "")
