"""Paths find their template, variables their decoded values."""

from __future__ import annotations

import pytest

from labhelpers.routing import Router


@pytest.fixture
def router() -> Router[str]:
    """Routes that could be taken for one another."""
    router: Router[str] = Router()
    router.add("GET", "/functions/{Name}", "one")
    router.add("GET", "/functions/list", "literal")
    router.add("GET", "/functions", "all")
    router.add("DELETE", "/functions/{Name}/policy/{Sid}", "statement")
    return router


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/functions", ("all", {})),
        ("GET", "/functions/", ("all", {})),
        ("GET", "/functions/fn", ("one", {"Name": "fn"})),
        ("GET", "/functions/arn%3Aaws%3A1%2F2", ("one", {"Name": "arn:aws:1/2"})),
        ("GET", "/functions/list", ("literal", {})),
        ("DELETE", "/functions/fn/policy/s3", ("statement", {"Name": "fn", "Sid": "s3"})),
        ("POST", "/functions/fn", None),
        ("GET", "/functions/fn/more", None),
    ],
)
def test_path_finds_its_template(
    router: Router[str], method: str, path: str, expected: tuple[str, dict[str, str]] | None
) -> None:
    """By method and segments; literal segments win over variables."""
    assert router.match(method, path) == expected
