"""What running a statement would do besides making names: train, download, write, wait. Works on syntax trees alone.

Names are all there is to go by, so only words that hardly mean anything else count. What reads a local file is no such
effect: the classes may need it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shapecheck.probe.loading.names import DEFINITIONS, dotted, running

Functions = Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]

_METHODS = {
    "trains": {"backward", "zero_grad", "fit", "fit_generator", "train_on_batch", "fit_transform", "train_epoch", "train_one_epoch"},
    "downloads": {
        "urlretrieve", "urlopen", "download_url", "download_and_extract_archive", "download", "load_dataset", "snapshot_download",
        "hf_hub_download", "extract_archive", "extractall", "fetch_openml", "get_file", "gdown",
    },
    "writes files": {
        "makedirs", "mkdir", "savefig", "save_pretrained", "to_csv", "to_json", "savetxt", "savez", "imwrite", "rmtree", "unlink",
        "write_text", "write_bytes", "SummaryWriter", "add_scalar", "save_image", "save_weights", "push_to_hub", "copyfile",
    },
    "starts other programs": {"Popen", "check_call", "check_output", "getoutput", "spawn", "init_process_group", "run_server"},
    "waits for input": {"input", "raw_input", "getpass"},
}  # fmt: skip
_DOTTED = {
    "os.system": "starts other programs", "os.popen": "starts other programs", "subprocess.run": "starts other programs",
    "subprocess.call": "starts other programs", "os.remove": "writes files", "os.rename": "writes files",
    "shutil.move": "writes files", "shutil.copy": "writes files", "torch.save": "writes files", "np.save": "writes files",
    "numpy.save": "writes files", "joblib.dump": "writes files", "requests.get": "downloads", "requests.post": "downloads",
    "wandb.init": "starts a run", "wandb.login": "starts a run", "mlflow.start_run": "starts a run", "ray.init": "starts a run",
    "torch.onnx.export": "writes files", "onnx.save": "writes files",
}  # fmt: skip
_WORD = {method: what for what, methods in _METHODS.items() for method in methods}
_STARTS = re.compile(
    r"main|run|launch|serve|Fire|(run_)?(train|fit|test|eval|evaluate|validate|benchmark|demo)(_\w*)?|\w+_train\Z"
)
_DATA = re.compile(
    r"(?i)(?:^|_)(data_?)?(loader|iter|epochs?|batches)\d*\Z|dataloader|num_?epochs?|max_iters?\Z|n_?steps\Z"
)
_MODE_SWITCHES = ("train", "eval")


@dataclass(frozen=True)
class Effect:
    """What a statement does, such as `trains`, and the line that does it."""

    what: str
    line: int


def functions_of(tree: ast.Module) -> Functions:
    return {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def effect_of(statement: ast.stmt, functions: Functions) -> Effect | None:
    """The first effect of a top-level statement, also through functions of the same file that it calls."""
    if isinstance(statement, (*DEFINITIONS, ast.Import, ast.ImportFrom)):
        return None
    return next(_effects(statement, functions, frozenset()), None) or next(_started(statement), None)


def _effects(node: ast.AST, functions: Functions, inside: frozenset[str]) -> Iterator[Effect]:
    for part in running(node):
        if isinstance(part, ast.Call):
            what = _of_call(part) or _through(part, functions, inside)
            if what is not None:
                yield Effect(what, part.lineno)
        elif isinstance(part, ast.For) and _over_data(part.iter):
            yield Effect("goes through data", part.lineno)


def _of_call(call: ast.Call) -> str | None:
    name = dotted(call.func)
    last = name.rpartition(".")[2] or getattr(call.func, "attr", "")
    if any(keyword.arg == "download" and _is(keyword.value, True) for keyword in call.keywords):
        return "downloads"
    if last == "open" and _mode(call) & set("wax+"):
        return "writes files"
    if last == "step" and re.search(r"(?i)optim|sched|scaler|solver", name):
        return "trains"
    if last == "train" and "trainer" in name.lower():
        return "trains"
    return _DOTTED.get(name) or _WORD.get(last)


def _through(call: ast.Call, functions: Functions, inside: frozenset[str]) -> str | None:
    """What a function of the same file does that is called here."""
    name = dotted(call.func)
    if name not in functions or name in inside:
        return None
    found = (effect for part in functions[name].body for effect in _effects(part, functions, inside | {name}))
    return next((effect.what for effect in found), None)


def _started(statement: ast.stmt) -> Iterator[Effect]:
    """A bare `main()`, `train(model, loader)` or `app.run()`."""
    for node in running(statement):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call):
            name = dotted(call.func)
            last = name.rpartition(".")[2]
            switches = "." in name and last in _MODE_SWITCHES and len(call.args) <= 1
            if _STARTS.fullmatch(last) and not switches:
                yield Effect(f"calls {name}", call.lineno)


def _over_data(iterated: ast.expr) -> bool:
    """`enumerate(train_loader)`, `range(num_epochs)`, `tqdm(batches)`."""
    names = (getattr(node, "id", "") or getattr(node, "attr", "") for node in ast.walk(iterated))
    return any(_DATA.search(str(name)) for name in names)


def _mode(call: ast.Call) -> set[str]:
    """The letters of the mode that `open` is called with."""
    given = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return {letter for value in given if isinstance(value, ast.Constant) for letter in str(value.value)}


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
