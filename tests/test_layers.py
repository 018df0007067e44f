"""Imports point one way, and what needs no torch does without it.

`LAYERS` is the order: a module may only import what stands above it in the list. A new module needs a place here.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "shapecheck"

# Packages count as one; inside of a package imports may not go in a circle.
LAYERS = (
    # words that everything speaks
    "__init__", "errors", "version", "yamls", "endings", "notebooks", "source", "forms", "shapes", "plans", "specs", "functions", "conditions",
    "messages", "targets", "callable_names", "report", "wire", "spec_files",
    # the rules, and what follows from them
    "operations", "symbols", "rules", "narrowing", "keywords", "written", "matching", "readings", "diagnosis", "drawing", "suggestions",
    "model_rules", "holders", "number_rules", "pipeline", "check_pages", "pages", "rule_folders", "rule_cases", "rule_schema",
    # torch: measured, asked, probed
    "measure", "unpacking", "at_hand", "probe", "callables", "samples", "oracle", "calls", "reference", "verify", "torch_judge", "own_loss", "intercept", "real_data", "jobs",
    "script",
    # processes
    "worker", "forking", "processes", "workers", "rule_runs",
    # what users touch
    "render", "api", "live", "rule_tests", "runs", "pytest_plugin", "script_start", "script_process", "script_runs", "cli", "__main__",
)  # fmt: skip
TORCH = {
    "measure", "unpacking", "at_hand", "probe", "callables", "samples", "oracle", "calls", "reference", "verify", "torch_judge", "own_loss", "intercept", "live", "real_data",
    "script", "rule_tests",
}  # fmt: skip
UPWARDS = {
    ("report", "render"),  # print(report) shows what the command line does
    ("worker", "forking"),  # where the system can fork, the worker hands over
}

Import = tuple[str, bool]  # the module's name, and whether it is imported with the file


def _modules() -> dict[str, Path]:
    """Dotted name below shapecheck -> file; a package goes by its own name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = _modules()


def _imports(path: Path) -> Iterator[Import]:
    """What a file imports while it runs, from shapecheck (without that prefix) or elsewhere."""
    yield from _walk(ast.parse(path.read_text(encoding="utf-8")), True)


def _walk(node: ast.AST, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue  # types only
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield from ((name, at_import) for name in _names(child))
        yield from _walk(
            child, at_import and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        )


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (_local(alias.name) for alias in node.names)
        return
    assert node.level == 0, "imports are absolute here"
    base = node.module or ""
    for alias in node.names:
        whole = _local(f"{base}.{alias.name}")
        yield whole if whole in MODULES else _local(base)


def _local(name: str) -> str:
    return "__init__" if name == "shapecheck" else name.removeprefix("shapecheck.")


def _layer(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_its_place() -> None:
    layers = {_layer(module) for module in MODULES}
    assert sorted(layers - set(LAYERS)) == [], "new modules need a place in LAYERS"
    assert sorted(set(LAYERS) - layers) == [], "these are gone"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    own = _layer(module)
    for name, _ in _imports(MODULES[module]):
        imported = _layer(name)
        if name in MODULES and imported != own and (own, imported) not in UPWARDS:
            assert LAYERS.index(imported) < LAYERS.index(own), f"{module} may not import {name}"


def test_nothing_imports_in_a_circle() -> None:
    graph = {
        module: {name for name, at_import in _imports(path) if at_import and name in MODULES} - {module}
        for module, path in MODULES.items()
    }
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(MODULES)


@pytest.mark.parametrize("module", [module for module in MODULES if _layer(module) not in TORCH])
def test_torch_is_imported_where_it_is_due_only(module: str) -> None:
    for name, at_import in _imports(MODULES[module]):
        if at_import:
            assert _layer(name) not in {"torch", *TORCH}, f"{module} would pull torch in with {name}"


# ------------------------------------------------------------------------------------ without torch at all

_NO_TORCH = "import sys; sys.modules['torch'] = None  # so that any import of it raises\n"
SPEC = """
checks:
  - {loss: cross_entropy, output: "32, 10", target: "32"}
  - {loss: cross_entropy, output: {shape: [N, T, C], axes: [batch, time, class]}, target: "N"}
  - {loss: cross_entropy, output: {shape: [8, 5, 20], values: probabilities}, target: {shape: [8, 20], max: 7}}
  - {loss: nll_loss, output: "8, 20, 5", target: "8, 20", loss_args: {weight: [5]}}
  - {loss: cross_entropy, output: "8, 5", target: "9"}
"""


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _NO_TORCH + code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
        timeout=60,
    )


def test_importing_the_command_line_imports_no_torch() -> None:
    modules = "shapecheck.cli, shapecheck.pipeline, shapecheck.runs, shapecheck.spec_files, shapecheck.api"
    done = _python(f"import shapecheck, {modules}, shapecheck.render.text")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments, status",
    [
        (("spec.yaml",), 1),
        (("spec.yaml", "--format", "json"), 1),
        (("spec.yaml", "--verbose", "--strict"), 1),
        (("explain", "SC101"), 0),
        (("rules",), 0),
        (("--help",), 0),
    ],
    ids=("text", "json", "verbose", "explain", "rules", "help"),
)
def test_a_command_without_a_model_needs_no_torch(arguments: tuple[str, ...], status: int, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    given = [str(spec) if argument == "spec.yaml" else argument for argument in arguments]
    done = _python("from shapecheck.__main__ import main\nmain()", *given)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout
