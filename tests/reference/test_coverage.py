"""Every reference case is simulated, left to a later question, or left out for a reason."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path

from acceptance import CASES

TABLES = [
    import_module(path.stem) for path in sorted(Path(__file__).parent.glob("test_*_cases.py"))
]

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {
    case: metrics for table in TABLES for case, metrics in table.NOT_WITHIN_BUDGET.items()
}

LOSS = "callers that are refused, and think again"
NETWORKS = "networks of stations with feedback, or with a fixed number of callers"
TRACE = "recorded traces that are fetched from elsewhere"

LATER: dict[str, str] = {
    "engset-4-10": LOSS,
    "jackson-3": NETWORKS,
    "mva-3": NETWORKS,
    "groupcommit-closed-zero-think": NETWORKS,
    "trace-azure-conv-c8": TRACE,
    "trace-azure-code-c4": TRACE,
}
"""Cases that nothing here can express yet, and what they are about."""

ORDER = "an order of service that message queues do not have"

LEFT_OUT: dict[str, str] = {
    "disc-mm1-070-siro": f"{ORDER}: random order",
    "disc-mm1-070-lifo": f"{ORDER}: last come, first served",
    "ps-mm1-ciw": f"{ORDER}: processor sharing",
    "ps-limited-ciw": f"{ORDER}: processor sharing",
    "sjf-mm1-080": f"{ORDER}: shortest job first",
    "po3-090": "three choices: what proxies offer is two, and that is nearly all of the gain",
    "bulk-gh-partial": "messages that join a sync under way: no log writer works so",
    "usl": "a formula, with nothing to run",
    "bigtable-hedge-published": "a published measurement of a system that nobody else has",
}
"""Cases that are not to be expressed, and why."""


def test_every_case_is_accounted_for_exactly_once() -> None:
    accounts = Counter([case for table in TABLES for case in table.EXPRESSED])
    accounts.update([*LATER, *LEFT_OUT])
    assert accounts.keys() <= CASES.keys()
    assert not CASES.keys() - accounts.keys()
    assert not {case: count for case, count in accounts.items() if count > 1}


def test_most_of_what_messaging_needs_is_run() -> None:
    assert sum(len(table.EXPRESSED) for table in TABLES) >= 40
