"""The folders over a file of the user's, up to the repository it is in. Looks at names of files only."""

from __future__ import annotations

import os

_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


def up_to_repository(folder: str) -> list[str]:
    """This folder and those over it, up to the repository's or the current one; none where there is neither."""
    chain = [folder]
    while os.path.dirname(chain[-1]) != chain[-1]:
        chain.append(os.path.dirname(chain[-1]))
    tops = [each for each in chain if each == os.getcwd() or _is_repository(each)]
    return chain[: chain.index(tops[-1]) + 1] if tops else []


def _is_repository(folder: str) -> bool:
    return any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS)
