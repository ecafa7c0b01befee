"""A service with the sample in its shop, and a caller of few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from simlib.calls import Reply, Request, Shop, ShopService
from simlib.calls.sample import sample_shop

Ask = Callable[..., Reply]


@pytest.fixture
def shop() -> Iterator[Shop]:
    with sample_shop() as shop:
        yield shop


@pytest.fixture
def service(shop: Shop) -> ShopService:
    return ShopService(shop)


@pytest.fixture
def ask(service: ShopService) -> Ask:
    def ask(
        method: str,
        target: str,
        value: Any = None,
        headers: Mapping[str, str] | None = None,
        to: ShopService = service,
    ) -> Reply:
        """Sends a JSON value, if there is one, as what the method usually carries."""
        body = b"" if value is None else json.dumps(value).encode()
        return to.handle(
            Request(method, target, body, {"content-type": "application/json", **(headers or {})})
        )

    return ask
