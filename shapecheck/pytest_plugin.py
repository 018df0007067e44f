"""The pytest plugin: a fixture, a marker, and spec files as tests. Loaded in every run of pytest, so it imports nothing yet.

`shapecheck` is a fixture: `shapecheck(model, "cross_entropy", target="N")` and `shapecheck.tensors(logits, labels,
"cross_entropy")` fail the test with the diagnosis as its message; `with shapecheck.watch():` fails it at the loss call.
`@pytest.mark.shapecheck(strict=True)`, or `--shapecheck-strict` for all, lets warnings fail as well.

`pytest --shapecheck` collects `shapecheck.yaml`, `*.shapecheck.yaml` and the same as `.yml` and `.json`: each check is a
test of its own, so that `-n` spreads them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from shapecheck.live.watching import Watch
    from shapecheck.report import Report
    from shapecheck.spec_files import Entry

ENDINGS = (".yaml", ".yml", ".json")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("shapecheck", "losses and what they are given")
    group.addoption(
        "--shapecheck",
        action="store_true",
        help="collect shapecheck.yaml and *.shapecheck.yaml (.yml, .json): a test for each check",
    )
    group.addoption("--shapecheck-strict", action="store_true", help="warnings of shapecheck fail a test too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shapecheck(strict=False): warnings of shapecheck fail this test too if strict")


class Checker:
    """What the fixture `shapecheck` is. `strict` lets warnings fail, not only errors."""

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict

    def __call__(self, model: Any, loss: Any, **arguments: Any) -> Report:
        """`shapecheck.check` with the same arguments; fails the test unless the report is ok."""
        from shapecheck.api import check
        from shapecheck.errors import ModelError

        __tracebackhide__ = True
        try:
            report = check(model, loss, **arguments)
        except ModelError as error:
            pytest.fail(f"{error.code}: {error}", pytrace=False)
        return self._passed(report)

    def tensors(self, output: Any = None, target: Any = None, loss: Any = "cross_entropy", **arguments: Any) -> Report:
        """`shapecheck.check_tensors` with the same arguments; fails the test unless the report is ok."""
        from shapecheck.api import check_tensors
        from shapecheck.errors import Location

        __tracebackhide__ = True
        caller = sys._getframe(1)
        place = Location(os.path.relpath(caller.f_code.co_filename), caller.f_lineno)
        report = check_tensors(output, target, loss, **arguments)
        return self._passed(replace(report, checks=tuple(replace(each, location=place) for each in report.checks)))

    def watch(self, **options: Any) -> Watch:
        """`shapecheck.watch` that raises at the first loss call with an error, or with `strict` a warning."""
        from shapecheck.live.watching import watch

        return watch(**{"raise_on": "warning" if self.strict else "error", **options})

    def _passed(self, report: Report) -> Report:
        __tracebackhide__ = True
        if any(check.exit_code(self.strict) for check in report.checks):
            pytest.fail(str(report), pytrace=False)
        return report


@pytest.fixture(name="shapecheck")
def shapecheck_fixture(request: pytest.FixtureRequest) -> Checker:
    """Checks of models and tensors against losses: `shapecheck(model, "cross_entropy")` fails with the diagnosis."""
    return Checker(_is_strict(request.node))


def _is_strict(node: pytest.Item) -> bool:
    marker = node.get_closest_marker("shapecheck")
    always = bool(node.config.getoption("--shapecheck-strict"))
    return bool(marker.kwargs.get("strict", always)) if marker is not None else always


# ------------------------------------------------------------------------------------------- spec files


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    if not parent.config.getoption("--shapecheck") or file_path.suffix not in ENDINGS:
        return None
    named = file_path.stem == "shapecheck" or file_path.stem.endswith(".shapecheck")
    asked_for = parent.session.isinitpath(file_path)
    return SpecFile.from_parent(parent, path=file_path) if named or asked_for else None


class SpecFile(pytest.File):
    """An output spec, or many, as `shapecheck spec.yaml` reads it."""

    def collect(self) -> Iterator[SpecCheck]:
        """A test for each check. Raises CollectError for what is no spec."""
        from shapecheck.errors import CheckError
        from shapecheck.spec_files import read

        try:
            entries = read(os.path.relpath(self.path))
        except CheckError as error:
            raise self.CollectError(str(error)) from None
        names = _distinct(_name(entry.name, number) for number, entry in enumerate(entries, start=1))
        for name, entry in zip(names, entries):
            yield SpecCheck.from_parent(self, name=name, entry=entry)


class SpecCheck(pytest.Item):
    """One check of a spec file."""

    def __init__(self, *, entry: Entry, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.entry = entry

    def runtest(self) -> None:
        """Fails with the diagnosis; a check that cannot be done fails too."""
        from shapecheck.report import Report
        from shapecheck.runs import Request, check_entry
        from shapecheck.version import __version__

        result = check_entry(self.entry, Request(()))
        if result.exit_code(_is_strict(self)):
            pytest.fail(str(Report((result,), __version__)), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        line = self.entry.location.line
        return self.path, None if line is None else line - 1, f"shapecheck: {self.name}"


def _name(name: str, number: int) -> str:
    """What the spec calls it; a check without a name goes by its number, as pytest names the file itself."""
    return f"#{number}" if name.partition("#")[0].endswith(ENDINGS) else name


def _distinct(names: Iterable[str]) -> list[str]:
    """Names that stand twice are numbered: pytest tells tests apart by them."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return distinct
