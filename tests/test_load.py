"""Loading and building users' models: good ones of every kind, and every way to go wrong.

Each case is its own process, as in a real check, all forked from one worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import workers_with, written

from shapecheck.workers import Workers

ENTRY = """
import os, sys
os.chdir("/")
def load(job):
    os.chdir(job["folder"])
    from shapecheck.probe.loading.load import load_model
    from shapecheck.targets import parse_target
    loaded = load_model(parse_target(job["target"]), job["arguments"])
    return {
        "model": type(loaded.model).__name__,
        "module": type(loaded.model).__module__,
        "location": str(loaded.location),
        "parameters": sum(float(p.detach().sum()) for p in loaded.model.parameters()),
        "facts": getattr(loaded.model, "facts", None),
        "argv": sys.argv,
    }
"""
HEAD = "import torch.nn as nn\n"
NET = HEAD + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
SIZED = HEAD + (
    "class Net(nn.Module):\n"
    "    def __init__(self, num_classes: int, hidden_sizes: list[int], dropout=0.5):\n"
    "        super().__init__()\n"
    "        self.facts = [num_classes, hidden_sizes, dropout]\n"
)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with workers_with(tmp_path_factory.mktemp("entry") / "loading_entry.py", ENTRY) as shared:
        yield shared


Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(workers: Workers, tmp_path: Path) -> Load:
    """Writes files, loads a target among them, and returns what came of it."""

    def write_and_load(target: str, files: dict[str, str | bytes], timeout: float = 20, **arguments: Any) -> Any:
        job = {"folder": str(written(tmp_path, files)), "target": target, "arguments": arguments}
        [(_, result)] = workers.run([job], timeout, entry="loading_entry:load")
        return result

    return write_and_load


def place(error: dict[str, Any]) -> str | None:
    where = error["location"]
    return None if where is None else where["path"] + ("" if where["line"] is None else f":{where['line']}")


# ---- what loads


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("Net", NET, 2),
        ("Net", NET.replace("class", "@staticmethod\nclass", 0), 2),
        ("net", NET + "net = Net()\n", 5),
        ("make", NET + "def make():\n    return Net()\n", 5),
        ("make", NET + "make = lambda: Net()\n", 5),
        ("make", NET + "import functools\nmake = functools.partial(Net)\n", 6),
        ("make", NET + "def make():\n    return Net(), 'optimizer'\n", 5),
        ("Outer.Net", HEAD + "class Outer:\n    class Net(nn.Module):\n        pass\n", 3),
        ("Factory.make", NET + "class Factory:\n    @staticmethod\n    def make():\n        return Net()\n", 7),
        ("net", HEAD + "import torch\nnet = torch.jit.script(nn.Linear(2, 3))\n", 3),
        ("Net", HEAD + "try:\n    import absent\nexcept ImportError:\n    class Net(nn.Module):\n        pass\n", 5),
        ("Linear", HEAD + "from torch.nn import Linear as Unused\nLinear = lambda: Unused(2, 3)\n", 3),
    ],
)
def test_kinds(load: Load, name: str, text: str, line: int) -> None:
    assert load(f"model.py:{name}", {"model.py": text})["location"] == f"model.py:{line}"


def test_the_class_line_is_in_the_users_other_file(load: Load) -> None:
    result = load("model.py:Net", {"model.py": "from layers import Net\n", "layers.py": NET})
    assert result["location"] == "layers.py:2"


def test_an_installed_class_stands_where_it_is_imported(load: Load) -> None:
    result = load("model.py:Net", {"model.py": "\nfrom torch.nn import Identity as Net\n"})
    assert result["location"] == "model.py:2"


def test_a_module_by_its_dotted_name(load: Load) -> None:
    assert load("pkg.model:Net", {"pkg/model.py": NET})["location"] == "pkg/model.py:2"


def test_building_is_reproducible(load: Load) -> None:
    files = {"model.py": HEAD + "import torch\ntorch.rand(3)\nnet = nn.Linear(3, 2)\n"}
    assert load("model.py:net", files)["parameters"] == load("model.py:net", files)["parameters"]


def test_the_command_line_is_the_file_alone(load: Load) -> None:
    assert load("model.py:Net", {"model.py": NET})["argv"] == ["model.py"]


def test_arguments(load: Load) -> None:
    result = load("model.py:Net", {"model.py": SIZED}, num_classes=4, hidden_sizes=[1, 2])
    assert result["facts"] == [4, [1, 2], 0.5]


def test_any_name_goes_to_open_keywords(load: Load) -> None:
    text = NET.replace("self)", "self, width=1, **rest)") + "        self.facts = rest\n"
    assert load("model.py:Net", {"model.py": text}, anything="a")["facts"] == {"anything": "a"}


def test_positional_only_arguments_are_given_by_name(load: Load) -> None:
    text = NET.replace("self)", "self, width, /, depth=2)") + "        self.facts = [width, depth]\n"
    assert load("model.py:Net", {"model.py": text}, width=7)["facts"] == [7, 2]


@pytest.mark.parametrize(
    ("target", "files"),
    [
        ("model.py:Net", {"model.py": "from helper import Net", "helper.py": NET}),
        ("pkg/model.py:Net", {"pkg/__init__.py": "", "pkg/model.py": "from .base import Net", "pkg/base.py": NET}),
        ("pkg/model.py:Net", {"pkg/__init__.py": "", "pkg/model.py": "from pkg.base import Net", "pkg/base.py": NET}),
        ("pkg/model.py:Net", {"pkg/__init__.py": "", "pkg/model.py": "from base import Net", "pkg/base.py": NET}),
        ("pkg/model.py:Net", {"pkg/model.py": "from .base import Net", "pkg/base.py": NET}),
        ("pkg/sub/model.py:Net", {"pkg/sub/model.py": "from ..base import Net", "pkg/base.py": NET}),
        ("pkg/__init__.py:Net", {"pkg/__init__.py": "from .base import Net", "pkg/base.py": NET}),
        ("pkg/:Net", {"pkg/__init__.py": "from .base import Net", "pkg/base.py": NET}),
        ("pkg/model.py:Net", {"pkg/__init__.py": "from .model import Net", "pkg/model.py": NET}),
        ("a/b/model.py:Net", {"pyproject.toml": "", "a/b/model.py": "from c.base import Net", "c/base.py": NET}),
        ("a/model.py:Net", {"pyproject.toml": "", "a/model.py": "from lib import Net", "src/lib/__init__.py": NET}),
        ("my-nets/model.v2.py:Net", {"my-nets/model.v2.py": "from base import Net", "my-nets/base.py": NET}),
        ("models.py:Net", {"models.py": NET, "models/__init__.py": "raise RuntimeError"}),
        ("code/model.py:Net", {"code/__init__.py": "", "code/model.py": "from .base import Net", "code/base.py": NET}),
        ("torch/model.py:Net", {"torch/__init__.py": "", "torch/model.py": "from .b import Net", "torch/b.py": NET}),
        ("torch/model.py:Net", {"torch/model.py": "from .base import Net", "torch/base.py": NET}),
        ("torch/a/m.py:Net", {"torch/__init__.py": "", "torch/a/__init__.py": "", "torch/a/m.py": "from ..b import Net", "torch/b.py": NET}),
        ("model.py:Net", {"model.py": "import dataclasses, typing\n@dataclasses.dataclass\nclass C:\n    x: 'typing.ClassVar[int]'\n" + NET}),
        ("model.py:Net", {"model.py": NET + "assert __name__ != '__main__'\n"}),
        ("model.py:Net", {"model.py": "# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1") + NET.encode()}),
    ],
)  # fmt: skip
def test_imports_as_in_the_users_project(load: Load, target: str, files: dict[str, str | bytes]) -> None:
    assert load(target, files).get("model") == "Net"


@pytest.mark.parametrize("stem", ["random", "types", "torch", "numpy", "wave", "yaml", "json", "site", "shapecheck"])
def test_a_file_named_like_another_module(load: Load, stem: str) -> None:
    own = f"import {stem}\nassert 'pytest-of' not in ({stem}.__file__ or ''), {stem}\n"
    later = "import wave, yaml, profile, cProfile\ncProfile.run\n" if stem != "profile" else ""
    assert load(f"{stem}.py:Net", {f"{stem}.py": own + later + NET}).get("model") == "Net"


def test_installed_code_does_not_see_the_users_folders(load: Load) -> None:
    """cProfile imports profile, and is not to get the user's."""
    files = {"model.py": "import cProfile\ncProfile._pyprofile.run\n" + NET, "profile.py": "raise RuntimeError"}
    assert load("model.py:Net", files).get("model") == "Net"


def test_the_users_code_does(load: Load) -> None:
    assert load("model.py:Net", {"model.py": "from wave import Net", "wave.py": NET}).get("model") == "Net"


# ---- what does not


@pytest.mark.parametrize(
    ("text", "message", "hint", "where"),
    [
        (NET.replace("Net", "Nett"), "model.py has no Net", "did you mean Nett? it has Nett", "model.py"),
        ("", "model.py has no Net", "it has no model and no function", "model.py"),
        ('if __name__ == "__main__":\n    class Net: ...\n', "model.py has no Net", "move it out", "model.py:2"),
        ("def make():\n    class Net: ...\n", "model.py has no Net", "it stands inside make", "model.py:2"),
        ("\ndef f(:\n", "model.py does not parse: invalid syntax in 'def f(:'", "py_compile", "model.py:2"),
        ("def f():\npass", "model.py does not parse: expected an indented block", "py_compile", "model.py:2"),
        ("\nx = '\xe9'".encode("latin-1"), "model.py is not UTF-8 text", "coding: latin-1", "model.py:2"),
        (b"x = 1\0", "null bytes", "", "model.py"),
        ("\n1 / 0", "importing model.py raises ZeroDivisionError: division by zero", "__main__", "model.py:2"),
        ("import json\njson.loads('{')", "importing model.py raises JSONDecodeError", "__main__", "model.py:2"),
        ("import sys\nsys.exit(2)", "importing model.py calls sys.exit(2)", "__main__", "model.py:2"),
        ("exit()", "importing model.py calls sys.exit(None)", "__main__", "model.py:1"),
        ("raise KeyboardInterrupt", "importing model.py raises KeyboardInterrupt", "__main__", "model.py:1"),
        ("raise GeneratorExit", "importing model.py raises GeneratorExit", "__main__", "model.py:1"),
        ("def f(): f()\nf()", "importing model.py raises RecursionError", "__main__", "model.py:1"),
        ("import sys\nnext(sys.stdin)", "importing model.py raises StopIteration", "__main__", "model.py:2"),
        ("import absent_package.sub", "needs the module absent_package", "install absent_package in this", "model.py:1"),
        ("import torch.absent", "No module named 'torch.absent'", "the torch that was imported has no", "model.py:1"),
        ("from torch import absent", "ImportError: cannot import name 'absent' from 'torch'", "__main__", "model.py:1"),
        ("from . import absent", "cannot import name 'absent'", "__main__", "model.py:1"),
        ("class Net: ...", "Net is a class, but not an nn.Module", "name an nn.Module class", "model.py:1"),
        ("Net = {'a': 1}", "Net is a dict, not a model", "name an nn.Module class", "model.py:1"),
        ("Net = None", "Net is None, not a model", "name an nn.Module class", "model.py:1"),
        ("import json as Net", "Net is a module, not a model", "name an nn.Module class", "model.py:1"),
        ("def Net():\n    pass", "Net returns None, not a model", "is a return missing?", "model.py:1"),
        ("def Net():\n    return {}", "Net returns a dict, not a model", "name an nn.Module class", "model.py:1"),
        ("async def Net():\n    pass", "Net returns a coroutine, not a model", "name an nn.Module", "model.py:1"),
        (HEAD + "def Net():\n    return nn.ReLU(), nn.ReLU()", "Net returns 2 models", "returns one", "model.py:2"),
        ("def __getattr__(name):\n    raise ValueError(name)", "reading Net", "", "model.py:2"),
        ("class E(Exception):\n    __str__ = None\nraise E", "importing model.py raises E", "__main__", "model.py:3"),
    ],
)  # fmt: skip
def test_not_loadable(load: Load, text: str | bytes, message: str, hint: str, where: str) -> None:
    error = load("model.py:Net", {"model.py": text})["error"]
    assert message in error["message"]
    assert hint in (error["hint"] or "")
    assert place(error) == where
    assert (error["code"], error["exit_status"]) == ("SC901", 3)


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("absent.py:Net", "no such file: absent.py", "model.py"),
        ("absent:Net", "there is no module absent", "looked up in the current folder"),
        ("modle:Net", "there is no module modle", "did you mean model?"),
        ("pkg.absent:Net", "there is no module pkg", ""),
        ("torch.nn:Linera", "torch.nn has no Linera", "did you mean Linear?"),
        ("folder.py:Net", "folder.py is a folder", ""),
    ],
)
def test_not_there(load: Load, target: str, message: str, hint: str) -> None:
    error = load(target, {"model.py": NET, "folder.py/x.txt": ""})["error"]
    assert message in error["message"]
    assert hint in (error["hint"] or "")
    assert (error["code"], error["exit_status"]) == ("SC901", 3)


def test_the_line_is_in_the_users_other_file(load: Load) -> None:
    error = load("model.py:Net", {"model.py": "import helper\n", "helper.py": "\n\nraise OSError('no disk')\n"})[
        "error"
    ]
    assert (error["message"], place(error)) == ("importing model.py raises OSError: no disk", "helper.py:3")


def test_a_module_that_is_elsewhere_in_the_project(load: Load) -> None:
    error = load("net/model.py:Net", {"net/model.py": "import helper\n", "lib/deep/helper.py": ""})["error"]
    assert error["hint"] == "helper is in lib/deep: make that folder importable with PYTHONPATH=lib/deep"


@pytest.mark.parametrize("file", ["model.py", "wave.py", "pkg/model.py"])
def test_a_file_is_run_once(load: Load, file: str) -> None:
    text = "from .base import x\n" if "/" in file else ""
    text += "import os\nos.environ['RUNS'] = os.environ.get('RUNS', '') + 'x'\n" + NET
    text += "class Twice(Net):\n    def __init__(self):\n        super().__init__()\n"
    text += "        from shapecheck.probe.loading.load import load_object\n        from shapecheck.targets import parse_target\n"
    text += f"        same = load_object(parse_target('{file}:Net'))[0] is Net\n"
    text += "        self.facts = [os.environ['RUNS'], same]\n"
    assert load(f"{file}:Twice", {file: text, "pkg/base.py": "x = 1"})["facts"] == ["x", True]


@pytest.mark.parametrize("instead", ["object()", "type('Proxy', (), {})()", "None"])
def test_a_module_that_replaces_itself(load: Load, instead: str) -> None:
    text = f"import sys\nsys.modules[__name__] = {instead}\n" + NET
    assert load("model.py:Net", {"model.py": text})["error"]["code"] == "SC901"


def test_a_syntax_error_in_the_users_other_file(load: Load) -> None:
    error = load("model.py:Net", {"model.py": "import helper\n", "helper.py": "\nclass\n"})["error"]
    assert (error["message"].partition(":")[0], place(error)) == ("helper.py does not parse", "helper.py:2")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"num_clases": 2}, "Net takes no argument 'num_clases'", "did you mean 'num_classes'? its signature is Net(num_classes: int"),
        ({"zzz": 2}, "Net takes no argument 'zzz'", "its signature is Net("),
    ],
)  # fmt: skip
def test_unknown_arguments(load: Load, arguments: dict[str, Any], message: str, hint: str) -> None:
    error = load("model.py:Net", {"model.py": SIZED}, **arguments)["error"]
    assert error["message"] == message
    assert hint in error["hint"]
    assert (error["code"], place(error), error["exit_status"]) == ("SC902", "model.py:2", 3)


def test_an_instance_takes_no_arguments(load: Load) -> None:
    error = load("model.py:net", {"model.py": NET + "net = Net()"}, width=1)["error"]
    assert (error["code"], error["message"]) == ("SC902", "net is already built, so it takes no argument 'width'")


@pytest.mark.parametrize(
    ("body", "message", "line"),
    [
        ("raise ValueError('bad width')", "building Net raises ValueError: bad width", 4),
        ("nn.Linear('a', 2)", "building Net raises TypeError", 4),
        ("import sys; sys.exit(4)", "building Net calls sys.exit(4)", 4),
        ("assert 1 == 2", "building Net raises AssertionError", 4),
        ("self.layer = nn.Linear(1, 1)", "AttributeError: cannot assign module before Module.__init__() call", 4),
    ],
)
def test_the_constructor_raises(load: Load, body: str, message: str, line: int) -> None:
    text = HEAD + f"class Net(nn.Module):\n    def __init__(self, width=3):\n        {body}\n"
    error = load("model.py:Net", {"model.py": text})["error"]
    assert message in error["message"]
    assert (error["code"], place(error), error["exit_status"]) == ("SC903", f"model.py:{line}", 3)


def test_a_module_that_was_never_begun(load: Load) -> None:
    text = HEAD + "class Net(nn.Module):\n    def __init__(self):\n        self.width = 3\n"
    error = load("model.py:Net", {"model.py": text})["error"]
    assert error["message"] == "Net is no working module: its __init__ does not call super().__init__()"
    assert (error["code"], place(error)) == ("SC903", "model.py:2")


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("import os\nos._exit(3)", "SC907", None),
        ("import ctypes\nctypes.string_at(0)", "SC907", "model.py:2"),
        ("while True: pass", "SC906", "model.py:1"),
        (HEAD + "class Net(nn.Module):\n    def __init__(self):\n        while True: pass", "SC906", "model.py:4"),
    ],
)
def test_no_way_back(load: Load, text: str, code: str, where: str | None) -> None:
    error = load("model.py:Net", {"model.py": text}, timeout=0.7)["error"]
    assert (error["code"], error["exit_status"]) == (code, 3)
    assert os.path.basename(place(error) or "") == (where or "")


def test_an_unreadable_file(load: Load, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (tmp_path / "model.py").write_text(NET)
    (tmp_path / "model.py").chmod(0)
    assert "cannot be read" in load("model.py:Net", {})["error"]["message"]
