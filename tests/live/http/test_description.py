"""The description says what the service does: schemathesis tries it and finds no difference."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from size import size

from simlib.calls import CUSTOMERS, ORDERS, PRODUCTS, Request, ShopService
from simlib.calls.sample import sample_shop
from simlib.live.http import HttpService, serve

HERE = Path(__file__).parent
ORDERS_ONLY = "/(orders|rpc|graphql|openapi)"
"""Customers and products are told from orders by their fields only."""


def described() -> Any:
    with sample_shop() as shop:
        return json.loads(ShopService(shop).handle(Request("GET", "/openapi.json")).body)


def test_it_is_served_and_lists_every_route() -> None:
    with sample_shop() as shop:
        service = ShopService(shop)
        with serve(service) as server, HttpService(server.url) as caller:
            reply = caller.handle(Request("GET", "/openapi.json"))
        document = json.loads(reply.body)
        listed = {
            (method.upper(), path)
            for path, methods in document["paths"].items()
            for method in methods
        }
        assert listed == {(route.method, route.path) for route in service.routes}
    assert reply.status == 200
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    assert schemas.keys() == {"problem", CUSTOMERS.name, ORDERS.name, PRODUCTS.name}


def test_it_says_what_must_be_sent_and_what_is_refused() -> None:
    put = described()["paths"]["/orders/{id}"]["put"]
    needed = {each["name"] for each in put["parameters"] if each.get("required")}
    assert needed == {"id", "if-match"}
    assert {"204", "400", "404", "409", "412", "415", "422", "428"} <= put["responses"].keys()
    create = described()["paths"]["/orders"]["post"]
    schema = create["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["customer", "product", "quantity"]
    assert schema["additionalProperties"] is False
    assert "idempotency-key" in {each["name"] for each in create["parameters"]}
    links = create["responses"]["201"]["links"]
    assert links["put_orders_id"]["parameters"]["header.if-match"] == "$response.header.etag"


def test_schemathesis_finds_nothing(
    tmp_path: Path, missing: Callable[[str, str], NoReturn]
) -> None:
    if find_spec("schemathesis") is None:
        missing("schemathesis", "uv pip install --group checks")
    with sample_shop() as shop, serve(ShopService(shop)) as server:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(HERE / "schemathesis.toml")),
                *("run", f"{server.url}/openapi.json", "--no-color"),
                *("--max-examples", str(size(3, 40)), "--seed", "1", "--generation-deterministic"),
                *("--continue-on-failure", "--include-path-regex", size(ORDERS_ONLY, ".*")),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{HERE}", "SCHEMATHESIS_HOOKS": "schemathesis_hooks"},
            capture_output=True,
            text=True,
            timeout=size(240, 3600),
        )
    assert run.returncode == 0, run.stdout + run.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert cases is not None, run.stdout
    assert cases[1] == cases[2]
    assert int(cases[1]) > 300
    assert f"Tested: {size(12, 24)}" in re.sub(" +", " ", run.stdout)
