"""What the documents say can be done, can be done."""

import re
from pathlib import Path

import pytest

from simlib import Trace

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(
        path
        for folder in ("", "bench/", "data/", "docs/", "docs/decisions/", "examples/")
        for path in ROOT.glob(f"{folder}*.md")
    )
]

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(each.relative_to(ROOT)) for each in DOCUMENTS]
)


@pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")
def test_the_readmes_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert len(examples) >= 2
    for example in examples:
        if "distributed.Client" in example:
            continue  # tests/analysis/test_cluster.py starts a cluster of its own
        exec(example.replace("100_000", "2_000").replace("20)", "3)"), {})


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_synthetic_trace_is_what_its_generator_makes() -> None:
    names: dict[str, object] = {"__file__": str(ROOT / "data/make_orders.py"), "__name__": "made"}
    exec((ROOT / "data/make_orders.py").read_text(encoding="utf-8"), names)
    made = names["orders"]()  # type: ignore[operator]
    assert (ROOT / "data/orders.csv").read_text(encoding="utf-8") == made


@pytest.mark.parametrize(("share", "seed"), [(0.2, 80), (0.05, 2)])
def test_recorded_incidents_are_what_their_generator_makes(share: float, seed: int) -> None:
    names: dict[str, object] = {
        "__file__": str(ROOT / "data/make_incidents.py"),
        "__name__": "made",
    }
    exec((ROOT / "data/make_incidents.py").read_text(encoding="utf-8"), names)
    made = names["row"](share, seed)  # type: ignore[operator]
    head, *lines = (ROOT / "data/incidents.csv").read_text(encoding="utf-8").splitlines()
    assert head.split(",") == list(names["COLUMNS"])  # type: ignore[call-overload]
    assert len(lines) == 600
    assert ",".join(map(str, made)) in lines


def test_the_trace_is_as_its_readme_says() -> None:
    trace = Trace.from_csv(ROOT / "data/orders.csv", column="time")
    said = (ROOT / "data/README.md").read_text(encoding="utf-8")
    assert f"({len(trace.times):,} rows)" in said
    sale = sum(120 <= time < 165 for time in trace.times)
    assert abs(sale - 60 * 45) < 4 * (60 * 45) ** 0.5
    assert abs(len(trace.times) - sale - 24 * 255) < 4 * (24 * 255) ** 0.5


@each_document
def test_no_table_is_split(document: Path) -> None:
    assert not re.search(r"^\|.*\|\n\n\|(?!.*\n\|[-: |]+\|$)", document.read_text("utf-8"), re.M)
