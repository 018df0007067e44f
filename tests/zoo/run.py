"""Measures shapecheck on public models: `python tests/zoo/run.py [FILE.yaml] [id...]`.

Needs the packages of the `zoo` extra. Each model is built and checked in a forked child with limits of time and memory, with
no --input: is a call found, are the output's axes named right, and is a right model quiet. `models.yaml` stands beside this
file; an entry says

    id, package     a name, and where it comes from
    target          module:Name, called with init_args and init; {$call: module:Name, kw: ...} builds an argument
    input           what people feed, name: "N,=3,H,W:dtype"; only compared, never used
    axes            the output's axes: N C T D H W, 1 (always one), M (several in one), ? (not to be known)
    path            the part of the output that goes to the loss; choose: true where --output has to say so
    loss, target_like, target_dtype    the usual loss, and what the data set yields for it
    fix             what that loss needs: none, select-output, permute, squeeze-output ...
"""

from __future__ import annotations

import argparse
import importlib
import os
import pickle
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from entries import Entry, read, without_binary_parts  # noqa: E402
from judging import Verdict, judge  # noqa: E402

SECONDS, GIGABYTES = 60, 8
_MODULES = {
    "vit-pytorch": "vit_pytorch", "x-transformers": "x_transformers", "torch-geometric": "torch_geometric",
    "segmentation-models-pytorch": "segmentation_models_pytorch", "tab-transformer-pytorch": "tab_transformer_pytorch",
    "perceiver-pytorch": "perceiver_pytorch", "pytorch-crf": "torchcrf", "open_clip_torch": "open_clip",
}  # fmt: skip


def main() -> int:
    arguments = argparse.ArgumentParser(description="measure shapecheck on public models")
    arguments.add_argument("names", nargs="*", metavar="FILE|ID")
    arguments.add_argument("--verbose", "-v", action="store_true", help="show what was fed to every model")
    options = arguments.parse_args()
    files = [Path(name) for name in options.names if name.endswith((".yaml", ".yml"))] or [HERE / "models.yaml"]
    names = {name for name in options.names if not name.endswith((".yaml", ".yml"))}
    entries = [entry for file in files for entry in read(file) if not names or entry.name in names]
    verdicts = list(measured(entries, options.verbose))
    print("\n".join(totals(verdicts)))
    return 0


def measured(entries: Sequence[Entry], verbose: bool = False) -> Iterator[Verdict]:
    """A line for each on the way; packages stand together, so that each is imported once."""
    import torch

    torch.set_num_threads(1)
    without_binary_parts()
    print(f"{'model':<28} {'input':<6}{'alike':<6}{'roles':<6}{'quiet':<6}{'build':>6}{'check':>7}")
    for entry in sorted(entries, key=lambda entry: entry.package):
        _import(entry.package)
        verdict = in_child(entry)
        marks = "".join(f"{_mark(one):<6}" for one in (verdict.found, verdict.alike, verdict.roles, verdict.quiet))
        told = (
            "" if verdict.found and verdict.alike and verdict.roles and verdict.quiet and not verbose else verdict.told
        )
        print(f"{entry.name:<28} {marks}{verdict.build_seconds:>6.2f}{verdict.seconds:>7.2f}  {told}", flush=True)
        yield verdict


def totals(verdicts: Sequence[Verdict]) -> Iterator[str]:
    built = [verdict for verdict in verdicts if verdict.found is not None]
    yield f"{len(built)} of {len(verdicts)} built"
    yield f"input found    {_share([verdict.found for verdict in built])}"
    yield f"roles right    {_share([verdict.roles for verdict in built])}"
    yield f"quiet          {_share([verdict.quiet for verdict in built])}"
    seconds = sorted(verdict.seconds for verdict in built)
    if seconds:
        yield f"seconds        median {seconds[len(seconds) // 2]:.2f}, longest {seconds[-1]:.2f}, all {sum(seconds):.1f}"


def in_child(entry: Entry) -> Verdict:
    """The verdict of a forked child, or how the child ended."""
    sys.stdout.flush()
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(ours)
        _be_child(entry, theirs)
    os.close(theirs)
    received, deadline = b"", time.monotonic() + SECONDS
    while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(ours, 1 << 16)
        if not chunk:
            break
        received += chunk
    os.close(ours)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return pickle.loads(received) if received else Verdict(False, told=f"no answer within {SECONDS} s, or killed")


def _be_child(entry: Entry, answer: int) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    if not os.environ.get("ZOO_STDERR"):
        os.dup2(silence, 2)
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES * 2**30,) * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = judge(entry)
    os.write(answer, pickle.dumps(verdict))
    os._exit(0)


def _import(package: str) -> None:
    name = _MODULES.get(package, package)
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(name)


def _mark(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "NO"


def _share(values: Sequence[bool | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known)} of {len(known)}, {100 * sum(known) / max(len(known), 1):.0f} %"


if __name__ == "__main__":
    sys.exit(main())
