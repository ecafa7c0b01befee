"""The notebook on RabbitMQ reads the same where no server answers: from what was recorded."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
EXEMPT = "nbval-ignore-output"
CLOSED = "amqp://guest:guest@127.0.0.1:1/%2F"


def said(cell: Any) -> list[str]:
    """What a cell put out, without pictures and the names of widgets."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        texts = [output.get("text", ""), *(data[kind] for kind in sorted(data))]
        found += [re.sub(r"base64,[^\"]*", "", text) for text in texts if isinstance(text, str)]
    return found


@pytest.fixture(scope="module")
def saved_and_run() -> list[tuple[Any, Any]]:
    """The notebook's cells of code as they are saved, and as they are without a server."""
    text = (FOLDER / "12_rabbitmq.ipynb").read_text(encoding="utf-8")
    saved, notebook = (nbformat.reads(text, as_version=4) for _ in range(2))
    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        coalesce_streams=True,
    )
    client.execute(env={**os.environ, "AMQP_URL": CLOSED})
    return [
        (before, after)
        for before, after in zip(saved.cells, notebook.cells, strict=True)
        if before.cell_type == "code"
    ]


def test_it_prints_the_same(saved_and_run: list[tuple[Any, Any]]) -> None:
    strict = [pair for pair in saved_and_run if EXEMPT not in pair[0].metadata.get("tags", ())]
    assert len(strict) > 15
    for before, after in strict:
        assert said(after) == said(before), before.source


def test_it_says_that_it_does_and_how_to_get_a_server(
    saved_and_run: list[tuple[Any, Any]],
) -> None:
    (words,) = [" ".join(said(after)) for before, after in saved_and_run if before.id == "server"]
    assert "no RabbitMQ answers at 127.0.0.1:1" in words
    assert "apt-get install rabbitmq-server" in words
    assert "what was recorded" in words


def test_what_it_measures_is_the_record(saved_and_run: list[tuple[Any, Any]]) -> None:
    shown = {before.id: " ".join(said(after)) for before, after in saved_and_run}
    assert shown["right"] == ""
    assert "WindowPublisher, 100" in shown["rates"]
    assert "RabbitMQ → consumer" in shown["tracelive"]
