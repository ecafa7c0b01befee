"""The browser goes first: it waits much, so that the other worker has time for all the rest."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
