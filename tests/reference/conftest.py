"""Say at the end of a run which reference cases agree, and what became of the others."""

from __future__ import annotations

import pytest
from acceptance import CASES
from test_coverage import LATER, LEFT_OUT, NOT_WITHIN_BUDGET

COVERAGE = "test_coverage.py"

pairs: dict[str, tuple[str, str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Remember which case and metric each test is about."""
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if params.get("case_id") in CASES and "metric" in params:
            pairs[item.nodeid] = (params["case_id"], params["metric"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the report after a run that checks which cases there are."""
    nodes = {
        outcome: {report.nodeid for report in terminalreporter.getreports(outcome)}
        for outcome in ("passed", "failed")
    }
    if not any(COVERAGE in node for node in nodes["passed"] | nodes["failed"]):
        return
    passed = {pairs[node] for node in nodes["passed"] & pairs.keys()}
    failed = {pairs[node] for node in nodes["failed"] & pairs.keys()}
    run, disagree = {case for case, _ in passed | failed}, {case for case, _ in failed}
    short = {(case, metric) for case, metrics in NOT_WITHIN_BUDGET.items() for metric in metrics}
    write = terminalreporter.write_line
    terminalreporter.section("reference cases")
    write(f"{len(run)} of {len(CASES)} cases are run, {len(run - disagree)} of them agree.")
    write(
        f"{len(passed)} of {len(passed | failed)} figures agree; for {len(short & passed)} of them "
        "the run is too short for a standard error of a quarter of the tolerance."
    )
    for case in sorted(disagree):
        write(f"  disagrees: {case}, {', '.join(sorted(m for c, m in failed if c == case))}")
    for title, table in (("left to later questions", LATER), ("left out on purpose", LEFT_OUT)):
        write(f"{len(table)} are {title}:")
        for reason in dict.fromkeys(table.values()):
            write(f"  {reason}: {', '.join(case for case in table if table[case] == reason)}")
