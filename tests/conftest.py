"""Shared by all tests: golden text, compared with `tests/golden/` and rewritten by `pytest --bless`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the golden files with what the code now prints")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text must equal `tests/golden/<name>.txt`."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--bless"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
        if not path.exists():
            pytest.fail(f"there is no {path.name} in tests/golden; run pytest --bless and read what it wrote")
        expected = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        assert text == expected, f"{path.name} differs; if that is meant, run pytest --bless and read the diff"

    return compare
