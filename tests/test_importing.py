"""User code as it is: scripts that train, absent packages, absent GPUs, models saved whole.

Each case is its own process, as in a real check, all forked from one worker.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import MODELS, workers_with, written
from torch import nn

import shapecheck
from shapecheck.probe.loading import devices
from shapecheck.workers import Workers

HEAD = "import torch\nimport torch.nn as nn\n"
NET = (
    HEAD
    + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.layer = nn.Linear(13, 5)\n"
    "    def forward(self, x):\n        return self.layer(x)\n"
)
JOB = {
    "kind": "model", "loss": "cross_entropy", "own": False, "loss_args": None, "arguments": None, "inputs": None, "target": None,
    "output": None, "classes": None, "verify": False, "rules": [],
}  # fmt: skip
ENTRY = """
import os
def check(job):
    os.chdir(job.pop("folder"))
    from shapecheck import wire
    from shapecheck.jobs import run_job
    for key, empty in (("loss_args", {}), ("arguments", {}), ("inputs", ()), ("target", None)):
        job[key] = wire.pack(empty)
    result = wire.unpack(run_job(job)["result"])
    told = result.to_dict()
    def place(where):
        return where and where["path"] + (f":{where['line']}" if where["line"] else "")
    return {"notes": list(result.notes), "codes": [each["code"] for each in told["findings"]],
            "shape": told["output"]["shape"], "location": place(told["location"]),
            "lines": [place(each["location"]) for each in told["findings"]], "left": os.listdir(".")}
"""
Check = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with workers_with(tmp_path_factory.mktemp("entry") / "importing_entry.py", ENTRY) as shared:
        yield shared


@pytest.fixture
def check(workers: Workers, tmp_path: Path) -> Check:
    """Checks a target in a folder of `tests/models`, of which it gets a copy, or among files that are given."""

    def check_there(target: str, of: str | dict[str, str] = "", timeout: float = 30, **more: Any) -> Any:
        folder = tmp_path / "work"
        if isinstance(of, str):
            shutil.copytree(MODELS / of, folder)
        else:
            written(folder, of)
        job = {**JOB, "folder": str(folder), "text": target, **more}
        [(_, result)] = workers.run([job], timeout, entry="importing_entry:check")
        return result

    return check_there


def noted(result: dict[str, Any]) -> str:
    assert "notes" in result, result
    return "\n".join(result["notes"])


# ---- scripts that do more than define a model


@pytest.mark.parametrize(
    ("target", "shape", "line", "note"),
    [
        (
            "mnist.py:Net",
            [10],
            35,
            "only the definitions of mnist.py were run; its top level does more: line 27, train_loader",
        ),
        ("mnist.py:model", [10], 48, "only the definitions of mnist.py were run"),
        ("bigram.py:BigramLanguageModel", [9], 31, "its top level does more: line 45, for iter in range(max_iters)"),
        ("bigram.py:model", [9], 41, "its top level does more: line 45"),
        ("wgan.py:Discriminator", [1], 32, "line 17, os.makedirs('images', exist_ok=True), and 3 more"),
        ("instance.py:model", [7], 29, "line 32, train(model, loader), and 2 more"),
        ("stops_half_way.py:Net", [5], 5, "stops_half_way.py was run without line 15, loss = "),
        ("stops_half_way.py:Later", [5], 19, "which raises ValueError: Expected input batch_size (3)"),
        ("missing_text.py:Independent", [5], 24, "missing_text.py was run without line 4, corpus = open("),
    ],
)
def test_scripts(check: Check, target: str, shape: list[int], line: int, note: str) -> None:
    before = {file.name for file in (MODELS / "import_tutorials").iterdir()}
    result = check(target, "import_tutorials")
    assert note in noted(result)
    assert result["shape"][-len(shape) :] == shape
    assert result["location"] == f"{target.partition(':')[0]}:{line}"
    assert set(result["left"]) - {"__pycache__"} == before - {"__pycache__"}, "a check writes nothing"


def test_lines_are_those_of_the_file(check: Check) -> None:
    result = check("mnist.py:Net", "import_tutorials")
    assert (result["codes"], result["lines"]) == (["SC402"], ["mnist.py:45"])


@pytest.mark.parametrize(
    ("name", "code", "message", "hint", "line"),
    [
        ("Embedder", "SC903", "name 'vocab_size' is not defined", "would be made at missing_text.py:6, but line 4", 12),
        (
            "Sized",
            "SC901",
            "Sized needs vocab_size, and that is not there: line 4, corpus",
            "a function that builds",
            18,
        ),
        ("corpus", "SC901", "importing missing_text.py raises FileNotFoundError", "__main__", 4),
        ("Sizedd", "SC901", "missing_text.py has no Sizedd", "it has Embedder, Independent", None),
    ],
)
def test_what_cannot_be_made(check: Check, name: str, code: str, message: str, hint: str, line: int | None) -> None:
    error = check(f"missing_text.py:{name}", "import_tutorials")["error"]
    assert error["code"] == code
    assert message in error["message"]
    assert hint in error["hint"]
    assert error["location"]["line"] == line


def test_data_that_was_not_loaded(check: Check) -> None:
    error = check("mnist.py:train_loader", "import_tutorials")["error"]
    assert error["message"].endswith("was not run: it downloads")


HARMLESS = {
    "registry": "NETS = {}\ndef register(c):\n    NETS[c.__name__] = c\n    return c\nregister(Net)\nmake = lambda: NETS['Net']()",
    "seeds": "torch.manual_seed(0)\nimport os\nos.environ['WIDTH'] = '3'\nassert os.environ['WIDTH'] == '3'\nmake = Net",
    "patch": "Net.forward = lambda self, x: self.layer(x) * 2\nmake = Net",
    "docstring": "assert __doc__ is None\nmake = Net",
    "branch": "if torch.cuda.is_available():\n    device = 'cuda'\nelse:\n    device = 'cpu'\nmake = lambda: Net().to(device)",
    "future": "def make() -> Undefined:\n    return Net()",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_a_file_needs_is_run_as_ever(check: Check, kind: str) -> None:
    head = "from __future__ import annotations\n" if kind == "future" else ""
    assert (
        noted(check("model.py:make", {"model.py": head + NET + HARMLESS[kind]})) == "values not checked: no data given"
    )


@pytest.mark.parametrize(
    "end", ["import sys\nsys.exit(1)", "exit()", "1 / 0", "input('go on? ')", "raise KeyboardInterrupt"]
)
def test_the_end_of_a_script(check: Check, end: str) -> None:
    result = check("model.py:Net", {"model.py": NET + end + "\nclass Later(Net): ...\n"})
    assert f"line {9 + end.count(chr(10))}, {end.splitlines()[-1]}" in noted(result)


def test_a_command_line_with_required_arguments(check: Check) -> None:
    text = (
        NET + "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('data')\n"
        "group = parser.add_mutually_exclusive_group(required=True)\ngroup.add_argument('--width', type=int, default=7)\n"
        "args = parser.parse_args()\nassert args.data is None\nclass Wide(Net):\n    def __init__(self):\n"
        "        super().__init__()\n        self.layer = nn.Linear(13, args.width)\n"
    )
    assert check("model.py:Wide", {"model.py": text})["shape"][-1] == 7


@pytest.mark.parametrize("how", ["open('size.txt')", "__import__('pathlib').Path('size.txt').open()"])
def test_a_file_beside_the_model(check: Check, how: str) -> None:
    files = {"lib/model.py": NET.replace("5)", "SIZE)") + f"SIZE = int({how}.read())\n", "lib/size.txt": "6"}
    result = check("lib/model.py:Net", files)
    assert (result["shape"][-1], result["location"]) == (6, "lib/model.py:3")


def test_a_module_that_changes_the_folder(check: Check) -> None:
    files = {"lib/model.py": "import os\nos.chdir('lib')\n" + NET}
    assert check("lib/model.py:Net", files)["location"] == "lib/model.py:5"


def test_a_repository_whose_helpers_download(check: Check) -> None:
    result = check("models/net.py:Net", "import_repository")
    assert "only the definitions of tools/data.py were run; its top level does more: line 7, os.makedirs" in noted(
        result
    )
    assert result["shape"][-1] == 5
    assert "downloaded" not in result["left"]


def test_a_module_by_name_is_run_in_part_too(check: Check) -> None:
    assert "only the definitions" in noted(
        check("model:Net", {"model.py": NET + "while True:\n    Net().backward()\n"})
    )


@pytest.mark.parametrize("wrap", ["torch.compile(Net())", "torch.jit.script(Net())", "torch.jit.trace(Net(), torch.zeros(2, 13))",
                                  "nn.DataParallel(Net())", "torch.compile(mode='default')(Net())"])  # fmt: skip
def test_wrappers_are_taken_off(check: Check, wrap: str) -> None:
    text = NET.replace("self.layer(x)", "torch.softmax(self.layer(x), 1)") + f"net = {wrap}\nnet.compile()\n"
    text += "@torch.compile(dynamic=True)\n@torch.jit.script\ndef gelu(x): return x\n"
    result = check("model.py:net", {"model.py": text})
    assert (result["codes"], result["lines"]) == (["SC402"], ["model.py:8"])


BRANCHES = (
    "import os\nkind = os.environ.get('NO_SUCH_DATA')\nif kind == 'faces':\n    download('faces')\n    width = 13\n"
    "elif kind == 'digits':\n    width = 17\n"
)


@pytest.mark.parametrize("end", ["", "os.makedirs('runs')\n"])
def test_a_constant_of_a_branch_that_was_not_taken(check: Check, end: str) -> None:
    text = BRANCHES + NET.replace("Linear(13", "Linear(width") + end
    result = check("model.py:Net", {"model.py": text})
    assert result["shape"] == [3, 5]
    assert "width = 13 is taken from model.py:5, which did not run" in noted(result)


def test_a_module_that_is_scripted_when_it_is_built(check: Check) -> None:
    text = (
        NET.replace("class Net(nn.Module)", "class Net(torch.jit.ScriptModule)")
        .replace("nn.Linear(13, 5)", "nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU())")
        .replace("    def forward", "    @torch.jit.script_method\n    def forward")
    )
    assert check("model.py:Net", {"model.py": text})["shape"][1] == 5


# ---- absent packages


def test_stand_ins(check: Check) -> None:
    result = check("lightning_net.py:Net", "import_absent")
    assert result["shape"][-1] == 5
    assert (
        "absent_lightning, absent_numeric, absent_tracking, absent_registry and absent_version are not installed"
        in noted(result)
    )
    assert "(lightning_net.py:5, 6, 7, 8, 10)" in noted(result)


@pytest.mark.parametrize(
    ("name", "module", "line"),
    [
        ("Plain", "absent_registry, which is not installed; absent_registry.layers.Attention() was used", 62),
        ("InBuild", "absent_numeric, which is not installed; absent_numeric.width() was used", 68),
        ("InForward", "absent_numeric, which is not installed; absent_numeric.zeros() was used", 77),
        ("built", "absent_registry, which is not installed", 8),
        ("Encoder", "absent_registry, which is not installed", None),
    ],
)
def test_what_a_stand_in_cannot_do(check: Check, name: str, module: str, line: int | None) -> None:
    error = check(f"lightning_net.py:{name}", "import_absent")["error"]
    assert (error["code"], error["exit_status"]) == ("SC901", 3)
    assert f"lightning_net.py needs the module {module}" in error["message"]
    assert error["hint"].startswith("install absent_")
    assert line is None or error["location"] == {"path": "lightning_net.py", "line": line}


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("import helpers", {"helper.py": ""}),
        ("from .absent import x", {}),
        ("from helper.absent import x", {"helper.py": ""}),
        ("from helper import absent", {"helper.py": ""}),
        ("import helper", {"sub/helper.py": ""}),
        ("import torch.absent", {}),
    ],
)
def test_the_users_own_modules_get_no_stand_in(check: Check, line: str, files: dict[str, str]) -> None:
    result = check("pkg/model.py:Net", {"pkg/model.py": line + "\n" + NET, **{f"pkg/{f}": t for f, t in files.items()}})
    assert result["error"]["code"] == "SC901"


def test_a_package_that_breaks(check: Check) -> None:
    files = {
        "model.py": "import sys\nsys.path.insert(0, '../lib/site-packages')\nimport outer\nfrom broken import thing\n"
        + NET,
        "../lib/site-packages/broken/__init__.py": "raise RuntimeError('operator broken::nms does not exist')",
        "../lib/site-packages/outer.py": "import broken\ntry:\n    import broken.part\n    HAS = True\nexcept ImportError:\n    HAS = False\n",
    }
    result = check("model.py:Net", files)
    assert "broken cannot be imported (RuntimeError); a stand-in took its place (model.py:3)" in noted(result)


def test_a_package_of_the_users_whose_first_import_fails_is_whole_in_the_end(check: Check) -> None:
    files = {
        "pkg/__init__.py": "from . import base, sound\nimport pkg\nWIDTH = pkg.base.WIDTH\n",
        "pkg/base.py": "WIDTH = 13\n",
        "pkg/sound.py": "import sys\nsys.path.insert(0, '../lib/site-packages')\nimport broken\n",
        "pkg/model.py": "from pkg import WIDTH\n" + NET,
        "../lib/site-packages/broken/__init__.py": "raise OSError('libsound.so: cannot open shared object file')",
    }
    assert check("pkg/model.py:Net", files)["shape"] == [3, 5]


OLDER = "import sys\nsys.path.insert(0, '../lib/site-packages')\nfrom older import gone\n"
OLDER_FILES = {"../lib/site-packages/older/__init__.py": ""}


def test_a_name_that_a_package_no_longer_has(check: Check) -> None:
    result = check("model.py:Net", {"model.py": OLDER + NET, **OLDER_FILES})
    note = "older.gone is not in the package that is installed; a stand-in took its place (model.py:3)"
    assert note in noted(result)


def test_a_model_that_needs_such_a_name(check: Check) -> None:
    error = check("model.py:net", {"model.py": OLDER + NET + "net = gone()\n", **OLDER_FILES})["error"]
    assert "older.gone, which is not in the package that is installed" in error["message"]
    assert error["hint"] == "install a version of older that has it"


def test_imports_that_fail_together(check: Check) -> None:
    text = "try:\n    import torch\n    import absent_images\n    import torch.nn as nn\nexcept ImportError as e:\n    raise ImportError\n"
    assert check("model.py:Net", {"model.py": text + NET.removeprefix(HEAD)})["shape"] == [3, 5]


# ---- absent devices


@pytest.mark.parametrize(("name", "kinds"), [("Net", "cuda"), ("parallel", "cuda"), ("OnMps", "cuda or mps")])
def test_the_cpu_in_the_place_of_a_gpu(check: Check, name: str, kinds: str) -> None:
    result = check(f"cuda_net.py:{name}", "import_devices")
    assert f"no {kinds} device here: read as cpu at cuda_net.py:7, 8, 9" in noted(result)
    assert result["shape"][-1] == 5


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is one here")
def test_a_check_in_ones_own_process_leaves_torch_as_it_was() -> None:
    class OnGpu(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.cuda())

    before = torch.load, torch.cuda.FloatTensor, torch.cuda.current_device, torch.compile
    report = shapecheck.check(OnGpu(13, 5), "cross_entropy")
    assert report.ok
    assert any("no cuda device here" in note for note in report.checks[0].notes)
    assert before == (torch.load, torch.cuda.FloatTensor, torch.cuda.current_device, torch.compile)
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(1).cuda()


def test_a_device_that_is_there_stays() -> None:
    with devices.cpu_for_absent() as moves, devices.moving_tensors(always=True):
        assert torch.zeros(1, device="meta").is_meta
        assert torch.zeros(1).to("cpu", torch.float64).dtype is torch.float64
    assert moves.note() is None


LOSS = (
    HEAD
    + """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--gamma", type=float, default=2.0)
args = parser.parse_args()
def focal(output, target):
    weight = torch.ones(output.shape[1]).cuda()
    loss = nn.functional.cross_entropy(output.cuda(), target, weight=weight, reduction="none")
    return ((1 - torch.exp(-loss)) ** args.gamma * loss).mean()
class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.ones(5, device="cuda")
    def forward(self, output, target):
        return nn.functional.cross_entropy(output, target, weight=self.weight)
data = torch.load(args.data)
for epoch in range(3):
    loss.backward()
"""
)


@pytest.mark.skipif("cuda" not in devices.absent_devices(), reason="a GPU is here")
@pytest.mark.parametrize(("name", "lines"), [("focal", "9, 10"), ("Weighted", "15")])
def test_the_file_of_a_loss_is_read_like_that_of_a_model(check: Check, name: str, lines: str) -> None:
    result = check("model.py:Net", {"model.py": NET, "losses.py": LOSS}, own=True, loss=f"losses.py:{name}")
    assert f"no cuda device here: read as cpu at losses.py:{lines}" in noted(result)


# ---- models that were saved whole, and notebooks


class Saved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(13, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def write_archives(folder: Path) -> None:
    model = Saved().eval()
    torch.save(nn.Sequential(nn.Linear(13, 5)), folder / "whole.pt")
    torch.save({"epoch": 3, "model": nn.Sequential(nn.Linear(13, 5))}, folder / "checkpoint.pth")
    torch.save(model.state_dict(), folder / "weights.pt")
    torch.save({"epoch": 3, "state": model.state_dict()}, folder / "nested.pth")
    torch.save(model, folder / "elsewhere.pt")
    (folder / "junk.pt").write_bytes(b"no archive")


@pytest.mark.parametrize("file", ["whole.pt", "checkpoint.pth"])
def test_a_model_saved_whole(check: Check, tmp_path: Path, file: str) -> None:
    (tmp_path / "work").mkdir()
    write_archives(tmp_path / "work")
    result = check(file, {})
    assert (result["shape"][-1], result["location"]) == (5, file)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("weights.pt", "weights.pt holds weights alone, not the model"),
        ("nested.pth", "nested.pth holds weights alone, not the model"),
        ("elsewhere.pt", "elsewhere.pt holds a model whose class cannot be imported here"),
        ("junk.pt", "junk.pt cannot be loaded"),
    ],
)
def test_no_model_was_saved(check: Check, tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "work").mkdir()
    write_archives(tmp_path / "work")
    error = check(file, {})["error"]
    assert error["message"].startswith(message)
    assert "name the class" in error["hint"]
    assert (error["code"], error["location"]["path"]) == ("SC901", file)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(13, 5)], [3, 5]),
        ([nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 5, 1)], [3, 5, 30, 30]),
        ([nn.Embedding(20, 8), nn.Linear(8, 5)], [3, 11, 5]),
    ],
)
def test_a_scripted_model(check: Check, tmp_path: Path, layers: list[nn.Module], shape: list[int]) -> None:
    (tmp_path / "work").mkdir()
    torch.jit.script(nn.Sequential(*layers)).save(str(tmp_path / "work" / "scripted.pt"))
    assert len(check("scripted.pt", {})["shape"]) == len(shape)


@pytest.mark.filterwarnings("ignore")
def test_an_exported_program(check: Check, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    program = torch.export.export(
        Saved(), (torch.randn(4, 13),), dynamic_shapes={"x": {0: torch.export.Dim("batch", max=64)}}
    )
    torch.export.save(program, tmp_path / "work" / "model.pt2")
    assert check("model.pt2", {})["shape"] == [4, 5]
    assert check("model.pt2:", {})["shape"] == [4, 5]


def notebook(*cells: str) -> str:
    text = [{"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]}]
    code = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": cell.splitlines(keepends=True),
        }
        for cell in cells
    ]
    return json.dumps({"cells": [*text, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_a_notebook(check: Check) -> None:
    text = NET.replace("self.layer(x)", "torch.softmax(self.layer(x), 1)")
    written = notebook(
        "%matplotlib inline\n!pip install x",
        "%%bash\nls",
        text,
        "files = !ls\nNet?",
        "for epoch in range(9):\n  train()",
    )
    line = next(number for number, row in enumerate(written.splitlines(), 1) if "softmax" in row)
    result = check("train.ipynb:Net", {"train.ipynb": written})
    assert (result["codes"], result["lines"]) == (["SC402"], [f"train.ipynb:{line}"])
    assert "only the definitions of train.ipynb were run" in noted(result)


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', notebook("def f(:")])
def test_no_notebook(check: Check, text: str) -> None:
    assert check("train.ipynb:Net", {"train.ipynb": text})["error"]["code"] == "SC901"


@pytest.mark.filterwarnings("ignore")
def test_compiled_models_are_run_as_they_were_written() -> None:
    report = shapecheck.check(torch.compile(nn.Sequential(nn.Linear(13, 5))), "cross_entropy")
    assert (report.ok, report.checks[0].name) == (True, "Sequential")
