"""The notebooks' panels, moved by hand in a real browser."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from tools.lab import Lab, lab, run_all_cells, wait_until_idle
from tools.lab import chromium as open_chromium

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)  # a busy machine is no fault of a panel

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


def names(statement: ast.stmt, context: type[ast.expr_context]) -> set[str]:
    """What a statement stores, or loads from others; imports count as stored."""
    nodes = list(ast.walk(statement))
    # What is changed is both: "controls |= {…}" and "controls[name] = …".
    targets = [n.target for n in nodes if isinstance(n, ast.AugAssign)]
    targets += [n for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    changed = {n.id for each in targets for n in ast.walk(each) if isinstance(n, ast.Name)}
    loops = [node for node in nodes if isinstance(node, ast.comprehension | ast.For)]
    if context is ast.Load:
        inside = {n.id for each in loops for n in ast.walk(each.target) if isinstance(n, ast.Name)}
        loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        return (loaded | changed) - inside
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    stored = {alias.asname or alias.name for node in imports for alias in node.names}
    return (
        stored
        | changed
        | {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    )


def open_panels(server: Lab, page: Page, file: str) -> None:
    """Open the panels of a notebook and run them, with no more of its code than they need.

    That all its cells run, in their order, is what nbval sees to.
    """
    notebook = nbformat.read(server.notebooks / file, as_version=4)
    kept: list[ast.stmt] = []
    wanted: set[str] = set()
    for cell in reversed([cell for cell in notebook.cells if cell.cell_type == "code"]):
        makes = re.search(r"\b(panel|RoutingPlayground)\(", cell.source)
        for statement in reversed(ast.parse(cell.source).body):
            stores = names(statement, ast.Store)
            if makes or stores & wanted:
                kept.insert(0, statement)
                wanted = (wanted - stores) | names(statement, ast.Load)
    notebook.cells = [nbformat.v4.new_code_cell(ast.unparse(statement)) for statement in kept]
    nbformat.write(notebook, server.notebooks / f"panels_{file}")
    page.goto(server.address(f"panels_{file}"))
    run_all_cells(page)


def picture(page: Page) -> str:
    """What is drawn, without its names, which differ from panel to panel."""
    return str(page.locator(".panel-picture svg").inner_html())


def after(page: Page, before: str) -> str:
    """The picture, once it is another one than before."""
    page.wait_for_function(
        "before => { const drawn = document.querySelector('.panel-picture svg');"
        " return drawn && drawn.innerHTML !== before; }",
        arg=before,
    )
    wait_until_idle(page)
    return picture(page)


def bring_into_view(page: Page) -> None:
    page.locator(".panel").scroll_into_view_if_needed()


def slider(where: Page | Locator, control: str) -> Locator:
    return where.locator(f".{control} input[type=range]")


def box(where: Page | Locator, control: str) -> Locator:
    return where.locator(f".{control} input[type=text]")


def type_in(where: Page | Locator, control: str, text: str) -> None:
    box(where, control).fill(text)
    box(where, control).press("Enter")


def test_a_panel_answers_to_keys_the_mouse_and_the_keyboard(server: Lab, page: Page) -> None:
    page.goto(server.address("00_start_here.ipynb"))
    run_all_cells(page)
    bring_into_view(page)
    first = picture(page)
    expect(box(page, "control-load")).to_have_value("0.8")  # where a cell below put it back to

    handle = slider(page, "control-load")
    handle.focus()
    page.keyboard.press("ArrowRight")
    second = after(page, first)
    expect(box(page, "control-load")).to_have_value("0.85")

    place = handle.bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + place["width"] / 4, place["y"] + place["height"] / 2)
    third = after(page, second)
    assert float(box(page, "control-load").input_value()) < 0.5

    type_in(page, "control-seed", "2")
    fourth = after(page, third)
    type_in(page, "control-seed", "1.5")
    expect(page.locator(".control-seed [role=alert]")).to_have_text("1.5 is no whole number")
    assert picture(page) == fourth

    page.locator("button.panel-reset").click()
    after(page, fourth)
    expect(page.locator(".control-seed [role=alert]")).to_be_empty()
    expect(box(page, "control-seed")).to_have_value("1")
    expect(box(page, "control-load")).to_have_value("0.8")
    drawn = page.locator(".panel-picture svg")
    assert "Messages in the system" in (drawn.get_attribute("aria-label") or "")


PANEL = """
from simlib import Exponential, Linger
from simlib.present import RoutingPlayground, panel
from simlib.scenarios import PointToPoint

lingers = {"a put each": None, "5 per put": Linger(size=5, time=1.0)}
panel(
    PointToPoint,
    {
        "load": (0.1, 1.2, 0.05), "consumers": (1, 8), "messages": None, "queue": None,
        "sync_size": (1, 100), "linger": lingers, "capacity": {"no bound": None, "2 may wait": 2},
    },
    service=Exponential(mean=0.1),
    messages=200,
    load=0.8,
)
"""


@pytest.fixture
def small(server: Lab, page: Page) -> Page:
    """A notebook with one panel and one playground."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [PANEL, 'RoutingPlayground({"billing": "order.*.paid", "audit": "#"}, "order.eu.paid")']
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, server.notebooks / "small.ipynb")
    page.goto(server.address("small.ipynb"))
    run_all_cells(page)
    return page


def harm(page: Page, widget: str) -> list[str]:
    """What keeps somebody from using a panel, as axe-core finds it."""
    found = page.evaluate("widget => axe.run(widget, {resultTypes: ['violations']})", widget)
    return [
        f"{each['id']} ({each['impact']}): {node['html']}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def axe(missing: Callable[[str, str], NoReturn]) -> str:
    """axe-core, to be run in a page."""
    try:
        from axe_playwright_python.base import AXE_SCRIPT
    except ImportError:
        missing("axe-core", "pip install axe-playwright-python")
    return str(AXE_SCRIPT)


def test_everybody_can_use_a_panel(small: Page, axe: str) -> None:
    small.evaluate(axe)
    kept = small.locator(".panel").bounding_box()
    small.locator(".control-linger select").select_option("5 per put")
    small.locator(".control-capacity select").select_option("2 may wait")
    expect(small.locator(".panel-error")).to_contain_text("a batch of 5 messages never fits")
    box(small, "control-load").fill("5")
    box(small, "control-load").press("Enter")
    expect(small.locator(".control-load [role=alert]")).to_have_text(
        "5 is too much: 1.2 is the most"
    )
    wait_until_idle(small)
    place = small.locator(".panel").bounding_box()
    assert kept is not None
    assert place is not None
    assert place["height"] == pytest.approx(kept["height"], abs=30)  # the word below the box
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        small.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        small.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
        assert harm(small, ".panel") == []
        assert harm(small, ".playground") == []
    assert small.get_by_text("official Jupyter news").count() == 0


def test_labels_are_whole_in_large_print_too(small: Page) -> None:
    names = small.locator(".panel label, .playground label")
    names.first.wait_for()
    for width in (1100, 550):  # the second is the first at 200 %
        small.set_viewport_size({"width": width, "height": 800})
        for name in [*names.all(), small.locator(".panel"), small.locator(".panel-table")]:
            inner, outer = name.evaluate("each => [each.scrollWidth, each.clientWidth]")
            assert inner <= outer, f"{name.text_content()} is cut at {width} pixels"
        for text in small.locator(".panel input[type=text], .panel select").all():
            inner, outer = text.evaluate("each => [each.scrollWidth, each.clientWidth]")
            assert inner <= outer


def test_a_long_run_can_be_stopped(small: Page) -> None:
    stop, status = small.locator("button.panel-stop"), small.locator(".panel-status").first
    expect(stop).to_be_disabled()
    drawn = picture(small)
    small.locator(".control-queue select").select_option("sqlite")
    after(small, drawn)
    type_in(small, "control-messages", "100000")
    expect(status).to_have_text(re.compile("running"))
    stop.click()
    expect(status).to_have_text("stopped")
    expect(small.locator(".panel-error")).to_contain_text("Move a control to run it again")
    type_in(small, "control-messages", "100")
    expect(status).to_have_text(re.compile("done in"))
    expect(small.locator(".panel-error")).to_have_count(0)


def test_the_first_question_runs_and_its_dropdown_brings_an_outage(server: Lab, page: Page) -> None:
    open_panels(server, page, "01_sync_or_async.ipynb")
    bring_into_view(page)
    before = picture(page)
    assert page.locator(".panel-table").text_content()
    page.locator(".control-outages select").select_option("down for 20 s")
    after(page, before)
    lost = page.locator(".panel-table tr", has_text="failed or lost")
    expect(lost.locator("td").nth(0)).not_to_have_text("0 messages")  # calls fail
    expect(lost.locator("td").nth(1)).to_have_text("0 messages")  # they wait

    type_in(page, "control-workers", "1")
    expect(page.locator(".control-workers [role=alert]")).to_contain_text("2 is the least")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_bound_on_the_queue_turns_messages_away(server: Lab, page: Page) -> None:
    open_panels(server, page, "02_message_queues.ipynb")
    bring_into_view(page)
    before = picture(page)
    dropped = page.locator(".panel-table tr", has_text="dropped").locator("td")
    expect(dropped).to_have_text("0 messages")

    page.locator(".control-capacity select").select_option("10 may wait")
    bounded = after(page, before)
    expect(dropped).not_to_have_text("0 messages")
    expect(page.locator(".panel-table tr", has_text="waiting, maximum")).to_contain_text("10")

    slider(page, "control-consumers").focus()
    page.keyboard.press("ArrowRight")
    after(page, bounded)
    expect(box(page, "control-consumers")).to_have_value("2")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_slider_goes_from_forgetful_to_safe_and_a_crash_can_be_chosen(
    server: Lab, page: Page
) -> None:
    open_panels(server, page, "03_memory_file_database.ipynb")

    safety, trial = page.locator(".panel").nth(0), page.locator(".panel").nth(1)
    safety.scroll_into_view_if_needed()
    lost = safety.locator(".panel-table tr", has_text="failed or lost").locator("td")
    expect(lost.nth(0)).to_have_text("0 messages")
    expect(lost.nth(1)).not_to_have_text("0 messages")  # in memory
    expect(safety.locator(".control-safety output")).to_have_text("memory")
    slider(page, "control-safety").focus()
    page.keyboard.press("End")
    expect(lost.nth(1)).to_have_text("0 messages")
    expect(safety.locator(".control-safety output")).to_have_text("… and acks, too")

    trial.scroll_into_view_if_needed()
    lost = trial.locator(".panel-table tr", has_text="failed or lost").locator("td")
    again = trial.locator(".panel-table tr", has_text="delivered again").locator("td")
    expect(lost).to_have_text(["0 messages"] * 3)  # a file, and a sync each
    trial.locator(".control-queue select").select_option("memory")
    expect(lost.nth(2)).not_to_have_text("0 messages")  # what waited when the power failed
    expect(lost.nth(0)).to_have_text("0 messages")
    trial.locator(".control-queue select").select_option("sqlite")
    expect(lost).to_have_text(["0 messages"] * 3)
    expect(again.nth(2)).not_to_have_text("0 messages")
    trial.locator(".control-sync select").select_option("never")
    expect(lost.nth(2)).not_to_have_text("0 messages")
    trial.locator(".control-linger select").select_option("30 per put")
    wait_until_idle(page)
    assert not trial.locator(".panel-error").count()
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_lost_publish_harms_only_those_who_send_once(server: Lab, page: Page) -> None:
    open_panels(server, page, "04_delivery_guarantees.ipynb")
    bring_into_view(page)
    before = picture(page)
    missing = page.locator(".panel-table tr", has_text="never booked").locator("td")
    doubled = page.locator(".panel-table tr", has_text="bookings too many").locator("td")
    expect(missing).to_have_text(["0 messages"] * 3)
    expect(doubled.nth(1)).not_to_have_text("0 messages")
    expect(doubled.nth(2)).to_have_text("0 messages")

    slider(page, "control-publish-lost").focus()
    page.keyboard.press("ArrowRight")
    lossy = after(page, before)
    expect(box(page, "control-publish-lost")).to_have_value("0.05")
    expect(missing.nth(0)).not_to_have_text("0 messages")
    expect(missing.nth(1)).to_have_text("0 messages")

    # Repetitions of what is not confirmed come after a second, and the memory is shorter.
    slider(page, "control-confirm-lost").focus()
    page.keyboard.press("ArrowRight")
    confirmed = after(page, lossy)
    expect(doubled.nth(2)).to_have_text("0 messages")
    page.locator(".control-dedup-window select").select_option("0.5 s")
    after(page, confirmed)
    expect(doubled.nth(2)).not_to_have_text("0 messages")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_routing_key_lights_up_queues_and_a_slow_subscriber_falls_behind(
    server: Lab, page: Page
) -> None:
    open_panels(server, page, "05_publish_subscribe.ipynb")
    page.locator(".playground").scroll_into_view_if_needed()
    status = page.locator(".playground .panel-status")
    expect(status).to_have_text("gets to audit, billing")
    drawn = page.locator(".playground-picture img")
    before = drawn.get_attribute("src") or ""
    type_in(page, "control-key", "order.item.paid")
    expect(status).to_have_text("gets to audit")
    expect(drawn).not_to_have_attribute("src", before)
    type_in(page, "control-billing", "order.#")
    expect(status).to_have_text("gets to audit, billing")
    page.locator(".control-type select").select_option("headers")
    expect(page.locator(".playground-picture [role=alert]")).to_contain_text("name=value")
    page.locator(".playground button.panel-reset").click()
    expect(status).to_have_text("gets to audit, billing")

    bring_into_view(page)
    slow = picture(page)
    page.locator(".control-arrangement select").select_option("competing")
    competing = after(page, slow)
    assert "done by subscriber 3" in (
        page.locator(".panel-picture svg").get_attribute("aria-label") or ""
    )
    slider(page, "control-slow-factor").focus()
    page.keyboard.press("ArrowRight")
    after(page, competing)
    expect(box(page, "control-slow-factor")).to_have_value("2.5")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_connections_and_distance_change_how_long_a_page_takes(server: Lab, page: Page) -> None:
    open_panels(server, page, "06_api_calls.ipynb")
    trial, hedging = page.locator(".panel").nth(0), page.locator(".panel").nth(1)
    trial.scroll_into_view_if_needed()
    rounds = trial.locator(".panel-table tr", has_text="rounds").locator("td")
    before = rounds.inner_text()
    type_in(trial, "control-parallel", "100")
    expect(rounds).not_to_have_text(before)

    hedging.scroll_into_view_if_needed()
    copies = hedging.locator(".panel-table tr", has_text="calls per request").locator("td")
    expect(copies).to_have_text("100")
    hedging.locator(".control-hedge-after select").select_option("20 ms")
    expect(copies).not_to_have_text("100")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_service_that_hung_stays_down_until_its_queue_is_short(server: Lab, page: Page) -> None:
    open_panels(server, page, "07_overload.ipynb")
    bring_into_view(page)
    back = page.locator(".panel-table tr", has_text="answered in time from").locator("td")
    expect(back).to_have_text("∞ s")
    page.locator(".control-bound select").select_option("100")
    expect(back).to_have_text("14 s")
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_crash_after_a_step_breaks_a_dual_write(server: Lab, page: Page) -> None:
    open_panels(server, page, "08_consistency.ipynb")
    bring_into_view(page)
    before = picture(page)
    table = page.locator(".panel-table")
    at_first = table.inner_text()
    page.locator(".control-crash-after select").select_option("nothing")
    after(page, before)
    expect(table).not_to_have_text(at_first)
    assert not page.locator(".jp-RenderedText[data-mime-type*=stderr]").count()


def test_a_notebook_shows_its_pictures_before_anything_is_run(server: Lab, page: Page) -> None:
    page.goto(server.address("00_start_here.ipynb"))
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    shown = page.locator(".jp-OutputArea img")
    expect(shown.first).to_be_attached()
    assert "Messages in the system" in (shown.first.get_attribute("alt") or "")
