"""The panel on incidents: whom totals accuse, and whom self time."""

from __future__ import annotations

import pytest

from simlib.present import IncidentPanel
from simlib.scenarios import Incident
from simlib.tracing import rises


@pytest.fixture(scope="module")
def panel() -> IncidentPanel:
    return IncidentPanel(Incident(traces=60), seed=80)


def test_says_who_is_named_by_which_figure(panel: IncidentPanel) -> None:
    panel.reset()
    case = Incident(traces=60).run(80)
    assert panel.named == {
        figure: rises(case.spans, case.healthy, figure)[0].service
        for figure in ("duration_p95", "self_time")
    }
    assert panel.status.value.endswith(f"The fault is in {case.service}: {case.cause}.")
    assert f"self time in {panel.named['self_time']}, by " in panel.status.value
    assert "before: gateway" in panel.alt


def test_the_fault_goes_where_the_controls_put_it(panel: IncidentPanel) -> None:
    panel.set(service="bank", cause="queue", share=1.0)
    assert panel.named["self_time"] == "bank"
    assert "The fault is in bank: queue." in panel.status.value
    panel.set(cause="pool")
    assert isinstance(panel.error, ValueError)
    assert panel.named == {}
    assert "calls nobody" in panel.picture.value
    panel.reset()
    assert panel.error is None


def test_readers_that_show_no_widgets_get_the_picture(panel: IncidentPanel) -> None:
    assert repr(panel) == "IncidentPanel(share, size, service, cause, seed)"
    bundle = panel._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert '<img alt="Self time rises most in ' in data["text/html"]
