"""Reads the code of a Jupyter notebook as one Python file whose lines are those of the notebook's own file. Runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

ENDING = ".ipynb"
_SOURCE = re.compile(r'\s*"source": (\[.*|".*)\Z')
_KEPT_MAGICS = ("%%time", "%%timeit", "%%capture")
_MAGIC = re.compile(r"(\s*)(?:[%!?].*|\S.*\?\Z)")
_ASSIGNED_MAGIC = re.compile(r"(\s*[\w, ]+=\s*)[%!].*")


def python_of(data: bytes) -> str:
    """The code cells, one after the other; what is no Python (magics, shell lines) is left out.

    Each line stands where the notebook's file has it, as Jupyter writes such files. Raises ValueError for no notebook.
    """
    text = data.decode("utf-8")
    cells = _cells(json.loads(text))
    written = text.splitlines()
    starts = [number for number, line in enumerate(written) if _SOURCE.match(line)]
    if len(starts) != len(cells):
        return "\n".join(line for cell in cells for line in _code(cell))
    lines = [""] * len(written)
    for start, cell in zip(starts, cells, strict=True):
        first = start + (1 if written[start].rstrip().endswith("[") else 0)
        for number, line in enumerate(_code(cell)):
            if first + number < len(lines):
                lines[first + number] = line
    return "\n".join(lines)


def _cells(notebook: Any) -> list[dict[str, Any]]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError("not a notebook")
    return [cell for cell in cells if "source" in cell]


def _code(cell: dict[str, Any]) -> Sequence[str]:
    """The cell's lines of Python; none for text, and none for a cell in another language."""
    source = cell["source"]
    lines = ("".join(source) if isinstance(source, list) else str(source)).split("\n")
    if cell.get("cell_type") != "code":
        return ()
    if lines[0].startswith("%%") and not lines[0].startswith(_KEPT_MAGICS):
        return ()
    return list(_plain(lines))


def _plain(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        magic, assigned = _MAGIC.fullmatch(line), _ASSIGNED_MAGIC.fullmatch(line)
        if magic is not None and not line.lstrip().startswith("#"):
            yield f"{magic[1]}pass"
        else:
            yield f"{assigned[1]}None" if assigned is not None else line
