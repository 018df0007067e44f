"""Constructor arguments that nobody gave: calls in the user's code, names and annotations, exceptions, and honest reports.

Each case is its own process, as in a real check, all forked from one worker.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import workers_with, written

from shapecheck.specs import TensorSpec
from shapecheck.workers import Workers

MODELS = Path(__file__).parent / "models" / "args_repository"
ENTRY = """
import os
os.chdir("/")
def load(job):
    os.chdir(job["folder"])
    from shapecheck.probe.loading.load import load_model
    from shapecheck.targets import parse_target
    loaded = load_model(parse_target(job["target"]), job["arguments"], job["classes"])
    return {
        "model": type(loaded.model).__name__,
        "used": {each.name: each.value for each in loaded.arguments},
        "origins": {each.name: f"{each.origin} {each.location or ''}".strip() for each in loaded.arguments},
    }
"""
HEAD = "import torch\nfrom torch import nn\n"


def net(parameters: str, *body: str, name: str = "Net") -> str:
    """A class whose constructor has those parameters and that body."""
    lines = "".join(f"        {line}\n" for line in body)
    return f"class {name}(nn.Module):\n    def __init__(self, {parameters}):\n        super().__init__()\n{lines}"


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with workers_with(tmp_path_factory.mktemp("entry") / "arguments_entry.py", ENTRY) as shared:
        yield shared


Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(workers: Workers, tmp_path: Path) -> Load:
    """Writes files, loads a target among them, and returns what came of it."""

    def write_and_load(files: str | dict[str, str], target: str = "model.py:Net", **given: Any) -> Any:
        files = {"model.py": files} if isinstance(files, str) else files
        written(tmp_path, {name: HEAD + text if name == "model.py" else text for name, text in files.items()})
        return run(workers, tmp_path, target, given.pop("classes", None), given)

    return write_and_load


def run(workers: Workers, folder: Path, target: str, classes: int | None, given: dict[str, Any]) -> dict[str, Any]:
    job = {"folder": str(folder), "target": target, "arguments": given, "classes": classes}
    [(_, result)] = workers.run([job], 20, entry="arguments_entry:load")
    return result


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(MODELS, tmp_path_factory.mktemp("models") / "repository"))


# ---- models in the manner of well-known repositories


@pytest.mark.parametrize(
    ("target", "some"),
    [
        ("nanogpt:GPT", {"config.n_layer": 2, "config.n_embd": 64, "config.n_head": 4}),
        ("llama_args:Transformer", {"params.vocab_size": 1000, "params.dim": 64, "params.n_layers": 2}),
        ("tslib:Model", {"configs.task_name": "long_term_forecast", "configs.seq_len": 96, "configs.freq": "h", "configs.enc_in": 7}),
        ("fairseq_args:TransformerModel", {"args.vocab_size": 1000, "args.encoder_embed_dim": 64, "args.num_classes": 10}),
        ("vit_keyword:ViT", {"image_size": 64, "patch_size": 8, "heads": 4, "num_classes": 10}),
        ("resnet_blocks:ResNet", {"block": "BasicBlock", "num_blocks": [2, 2, 2]}),
        ("resnet_factory:ResNeXt", {"block": "Bottleneck", "layers": [3, 4, 6, 3]}),
        ("unet:UNet", {"n_channels": 3, "n_classes": 10, "bilinear": True}),
        ("unet:DoubleConv", {"in_channels": 16, "out_channels": 32}),
        ("lstm_tagger:LSTMTagger", {"vocab_size": 1000, "tagset_size": 10}),
        ("seq2seq:Seq2Seq", {"encoder.input_dim": 1000, "decoder.output_dim": 1000, "encoder.hid_dim": 64}),
        ("seq2seq:Decoder", {"output_dim": 60, "emb_dim": 32, "dropout": 0.5}),
        ("seq2seq_main:Seq2Seq", {"enc": "Encoder(...)", "dec": "Decoder(...)"}),
        ("vae:VAE", {"in_channels": 3, "latent_dim": 32}),
        ("gan_opt:Generator", {"opt.img_size": 28, "opt.latent_dim": 100, "opt.channels": 1}),
        ("dcgan:Generator", {"ngpu": 0}),
        ("gcn:GCN", {"nfeat": 16, "nhid": 64, "nclass": 10, "dropout": 0.1}),
        ("gcn:GAT", {"nheads": 4, "alpha": 0.2}),
        ("textcnn:TextCNN", {"filter_sizes": [3, 4, 5], "pad_idx": 0, "output_dim": 10}),
        ("textcnn:CNN_Text", {"args.embed_num": 1000, "args.kernel_sizes": [3, 4, 5], "args.class_num": 10}),
        ("vgg_names:VGG", {"vgg_name": "VGG11"}),
        ("rnn_model:RNNModel", {"rnn_type": "LSTM", "ntoken": 1000, "ninp": 64}),
        ("tcn:TCN", {"num_channels": [16, 32, 64], "input_size": 16}),
        ("mlp_sizes:MLP", {"sizes": [64, 64]}),
        ("mlp_sizes:Actor", {"obs_dim": 16, "act_dim": 4, "activation": "ReLU"}),
        ("dict_config:CRNN", {"config.in_channels": 3, "config.model.hidden": 64, "config.num_classes": 10}),
        ("enums:Net", {"mode": "a", "act": "ReLU", "norm_layer": "BatchNorm2d", "depths": [2, 2, 2], "flag": False}),
        ("divisible:Net", {"width": 64, "nh": 4}),
        ("plain_config:Model", {"config.n_vocab": 1000, "config.num_classes": 10}),
        ("kwargs_base:Net", {"in_dim": 16, "hidden": 64, "num_classes": 10}),
        ("deepfm:DeepFM", {"field_dims": [64, 64]}),
        ("deepfm:NCF", {"user_num": 1000, "model": "GMF"}),
        ("transformer:Transformer", {"src_vocab_size": 1000, "max_seq_length": 96}),
        ("transformer:Encoder", {"forward_expansion": 2, "max_length": 96}),
        ("dqn:DQN", {"n_observations": 16, "n_actions": 4}),
        ("trained_elsewhere:Speech", {"n_mels": 40, "hidden": 48, "n_class": 29, "stride": 2}),
    ],
)  # fmt: skip
def test_models_of_well_known_kinds(workers: Workers, repository: Path, target: str, some: dict[str, Any]) -> None:
    file, name = target.split(":")
    result = run(workers, repository, f"{file}.py:{name}", None, {})
    assert "error" not in result
    assert {key: result["used"].get(key) for key in some} == some


# ---- calls in the user's code


MAIN = 'if __name__ == "__main__":\n    '
CALLS = net("width, classes=3", "self.layer = nn.Linear(width, classes)")
TRAIN = "from model import Net\n"


@pytest.mark.parametrize(
    ("files", "value", "origin"),
    [
        ({"model.py": CALLS + "net = Net(7)\n"}, 7, "call model.py:7"),
        ({"model.py": CALLS + MAIN + "net = Net(width=7)\n"}, 7, "call model.py:8"),
        ({"model.py": CALLS + "def make():\n    return Net(7)\n"}, 7, "call model.py:8"),
        ({"model.py": CALLS + "WIDTH = 3 * 2 + 1\ndef make():\n    return Net(WIDTH)\n"}, 7, "call model.py:9"),
        ({"model.py": CALLS + "def make(width):\n    return Net(width)\ndef main():\n    make(7)\n"}, 7, "call model.py:8"),
        ({"model.py": CALLS + "def make(width=7):\n    return Net(width)\n"}, 7, "call model.py:8"),
        ({"model.py": CALLS + "WORDS = sorted({'a', 'b'})\ndef main():\n    Net(len(WORDS))\n"}, 2, "call model.py:9"),
        ({"model.py": CALLS + "config = {'width': 7}\ndef main():\n    Net(config['width'])\n"}, 7, "call model.py:9"),
        ({"model.py": CALLS + "config = {'width': 7}\ndef main():\n    Net(**config)\n"}, 7, "call model.py:9"),
        ({"model.py": CALLS + "def main():\n    width, depth = 7, 2\n    Net(width)\n"}, 7, "call model.py:9"),
        ({"model.py": CALLS + "class Config:\n    width = 7\ndef main():\n    Net(Config.width)\n"}, 7, "call model.py:10"),
        ({"model.py": CALLS, "train.py": TRAIN + "net = Net(7)\n"}, 7, "call train.py:2"),
        ({"model.py": CALLS, "train.py": "import model\nnet = model.Net(7)\n"}, 7, "call train.py:2"),
        ({"model.py": CALLS, "train.py": "from model import Net as M\nnet = M(7)\n"}, 7, "call train.py:2"),
        ({"model.py": CALLS, "train.py": "from model import *\nnet = Net(7)\n"}, 7, "call train.py:2"),
        ({"model.py": CALLS, "train.py": TRAIN + "from sizes import W\nNet(W)\n", "sizes.py": "W = 7\n"}, 7, "call train.py:3"),
        ({"net/model.py": HEAD + CALLS, "pyproject.toml": "", "train.py": "from net.model import Net\nNet(7)\n"}, 7, "call train.py:2"),
        ({"model.py": CALLS, "train.py": TRAIN + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--w', default=7)\n"
                                         "args = p.parse_args()\nNet(args.w)\n"}, 7, "call train.py:6"),
        ({"model.py": CALLS, "train.py": TRAIN + "import argparse\ndef parse_args():\n    p = argparse.ArgumentParser()\n"
                                         "    p.add_argument('-w', '--the-width', type=int, default='7')\n    return p.parse_args()\n"
                                         "def main(args):\n    Net(args.the_width)\nmain(parse_args())\n"}, 7, "call train.py:8"),
        ({"model.py": CALLS, "train.py": TRAIN + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--w', default='7+9')\n"
                                         "args = p.parse_args()\nargs.w = [int(w) for w in args.w.split('+')]\nNet(args.w[0])\n"}, 7, "call train.py:7"),
        ({"model.py": CALLS + "def main(loader):\n    Net(loader.width)\n"}, 64, "guessed"),
        ({"model.py": CALLS, "other.py": "class Net: ...\nNet(7)\n"}, 64, "guessed"),
        ({"model.py": CALLS, "other.py": "from elsewhere import Net\nNet(7)\n"}, 64, "guessed"),
    ],
)  # fmt: skip
def test_a_call_in_the_users_code(load: Load, files: dict[str, str], value: int, origin: str) -> None:
    target = next(name for name in files if name.endswith("model.py")) + ":Net"
    result = load(files, target)
    assert (result["used"]["width"], result["origins"]["width"].replace("\\", "/")) == (value, origin)


@pytest.mark.parametrize(
    "script",
    [
        "Net(**3)\n",
        "Net(*5)\n",
        "Net(1, 2, 3, 4)\n",
        "Net(width=1, wide=2)\n",
        "Net(Net(Net))\n",
        "x = x\nNet(x)\n",
        "def f(a):\n    return f(a)\nNet(f(1))\n",
        "Net(10 ** 10 ** 10)\n",
        "Net([0] * 10 ** 12)\n",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--w', choices={'a': 1}, type=int)\nNet(p.parse_args().w)\n",
        "Net(\n",
        "\0",
        "Net(" + "(" * 150 + ")" * 150 + ")\n",
        "Net(" + "+".join(["1"] * 3000) + ".x)\n",
    ],
)
def test_no_script_is_too_odd(load: Load, script: str) -> None:
    result = load({"model.py": CALLS, "train.py": TRAIN + script})
    assert (result["used"], result["origins"]) == ({"width": 64}, {"width": "guessed"})


def test_optional_arguments_of_the_call_are_used_too(load: Load) -> None:
    assert load(CALLS + "net = Net(7, classes=5)\n")["used"] == {"width": 7, "classes": 5}


def test_what_a_call_leaves_open_is_guessed(load: Load) -> None:
    text = net("vocab, width", "self.layer = nn.Embedding(vocab, width)") + "def main(words):\n    Net(len(words), 7)\n"
    assert load(text)["origins"] == {"vocab": "guessed", "width": "call model.py:8"}


def test_the_nearest_file_counts(load: Load) -> None:
    files = {
        "pyproject.toml": "",
        "a/model.py": HEAD + CALLS,
        "a/run.py": TRAIN + "Net(7)\n",
        "run.py": TRAIN + "Net(9)\n",
    }
    assert load(files, "a/model.py:Net")["used"]["width"] == 7


def test_nothing_else_is_run_or_read(load: Load, tmp_path: Path) -> None:
    train = TRAIN + f"open({str(tmp_path / 'ran')!r}, 'w')\nNet(7)\n"
    assert load({"model.py": CALLS, "train.py": train})["used"]["width"] == 7
    assert not (tmp_path / "ran").exists()


def test_a_call_that_fails_is_not_the_last_word(load: Load) -> None:
    text = net("width, heads", "nn.MultiheadAttention(width, heads)") + "def main():\n    Net(7, 2)\n"
    assert load(text)["origins"] == {"width": "guessed", "heads": "guessed"}


# ---- --arg, --classes


@pytest.mark.parametrize(
    ("parameters", "given", "used"),
    [
        ("d_model, n_heads", {"d_model": 48}, {"d_model": 48, "n_heads": 4}),
        ("d_model, n_heads", {"d_model": 50}, {"d_model": 50, "n_heads": 2}),
        ("d_model, n_heads", {"d_model": 49}, {"d_model": 49, "n_heads": 7}),
        ("d_model, n_heads", {"n_heads": 6}, {"n_heads": 6, "d_model": 96}),
        ("n_heads, d_model=45", {}, {"n_heads": 3}),
        ("image_size, patch_size", {"image_size": 28}, {"image_size": 28, "patch_size": 7}),
        ("image_size, patch_size", {"patch_size": 14}, {"patch_size": 14, "image_size": 112}),
        ("*sizes", {"sizes": [1, 2]}, {"sizes": [1, 2]}),
    ],
)
def test_guesses_go_with_what_is_given(
    load: Load, parameters: str, given: dict[str, Any], used: dict[str, Any]
) -> None:
    result = load(net(parameters), **given)
    assert result["used"] == used
    assert {key for key, origin in result["origins"].items() if origin == "flag"} == set(given)


def test_what_is_given_stays_against_a_call(load: Load) -> None:
    result = load(CALLS + "net = Net(7)\n", width=9)
    assert (result["used"], result["origins"]) == ({"width": 9}, {"width": "flag"})


CONFIGS = [
    "from dataclasses import dataclass\n@dataclass\nclass Config:\n    width: int\n    depth: int = 3\n",
    "class Config:\n    def __init__(self, width, depth=3):\n        self.width, self.depth = width, depth\n",
    "",
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("given", [{"config.width": 9}, {"config": {"width": 9}}])
def test_fields_of_a_config(load: Load, config: str, given: dict[str, Any]) -> None:
    text = config + net("config", "nn.Linear(config.width, config.depth)")
    result = load(text, **given)
    assert result["used"]["config.width"] == 9
    assert result["origins"]["config.width"] == "flag"


def test_fields_of_a_config_that_a_call_makes(load: Load) -> None:
    text = CONFIGS[0] + net("config", "nn.Linear(config.width, config.depth)") + "def main():\n    Net(Config(5))\n"
    assert load(text, **{"config.depth": 9})["used"] == {"config.depth": 9}


@pytest.mark.parametrize(
    "name", ["num_classes", "n_classes", "tagset_size", "out_dim", "nclass", "numClasses", "output_size", "c_out"]
)
def test_the_number_of_classes_of_the_data(load: Load, name: str) -> None:
    expected = 7 if name == "c_out" else 6  # of a forecast, c_out is a number of series
    assert load(net(f"{name}"), classes=6)["used"] == {name: expected}


# ---- names and annotations


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("vocab_size", 1000),
        ("n_layers", 2),
        ("layers: Sequence[int]", [2, 2]),
        ("hidden_sizes: list[int]", [64, 64]),
        ("dropout: float", 0.1),
        ("bias: Optional[bool]", True),
        ("use_bias: bool", False),
        ("pretrained", False),
        ("in_channels: int | None", 3),
        ("width: 'int'", 64),
        ("anything: Any", 64),
        ("device", "device(type='cpu')"),
        ("kernel_size: tuple[int, int]", [3, 3]),
        ("act: Type[nn.Module]", "ReLU"),
        ("mode: Literal['b', 'a']", "b"),
        ("inputDim", 16),
        ("image_shape", [3, 64, 64]),
    ],
)
def test_a_value_by_name_and_annotation(load: Load, parameter: str, value: object) -> None:
    text = "from typing import *\n" + net(parameter)
    assert load(text)["used"] == {parameter.partition(":")[0]: value}


# ---- what exceptions say


@pytest.mark.parametrize(
    ("parameters", "body", "used"),
    [
        ("foo", ["for each in foo: nn.Linear(each, 1)"], {"foo": [64, 64]}),
        ("foo", ["self.foo = foo", "len(self.foo)"], {"foo": [64, 64]}),
        ("activation", ["self.act = activation()", "assert isinstance(self.act, nn.Module)"], {"activation": "ReLU"}),
        ("foo", ["if foo % 3: raise ValueError('foo must be divisible by 3')"], {"foo": 3}),
        ("foo", ["assert foo <= 8"], {"foo": 1}),
        ("norm_kind: str", ["if norm_kind not in {'batch', 'layer'}: raise ValueError(norm_kind)"], {"norm_kind": "batch"}),
        ("activation", ["self.act = getattr(nn, activation)()"], {"activation": "ReLU"}),
        ("activation", ["self.act = {'gelu': nn.GELU(), 'tanh': nn.Tanh()}[activation]"], {"activation": "gelu"}),
        ("pool", ["table = dict(mean=1, max=2)", "table[pool]"], {"pool": "mean"}),
        ("depth", ["table = {18: 1, 34: 2}", "table[depth]"], {"depth": 18}),
        ("**options", ["nn.Linear(options['width'], 2)"], {"width": 64}),
        ("options={}", ["nn.Linear(options['width'], 2)"], {"options.width": 64}),
        ("foo_dims, bar_dims", ["nn.Linear(3, 4 * foo_dims)", "nn.Linear(3, 4 * bar_dims)"], {"foo_dims": 64, "bar_dims": 64}),
        ("embed_dims", ["nn.Embedding(3, embed_dims)"], {"embed_dims": 64}),
        ("nhid, init", ["Part(nhid, init)"], {"nhid": 64, "init": "uniform"}),
        ("conf", ["self.part = Part(**conf)", "conf['depth']"], {"conf.depth": 2, "conf.nhid": 64, "conf.start": "uniform"}),
        ("classes, pretrained_base=True", ["if pretrained_base: raise URLError('Name or service not known')"], {"classes": 10, "pretrained_base": False}),
        ("weights='DEFAULT'", ["if weights: raise URLError('Name or service not known')"], {"weights": None}),
        ("config", ["config.patches.get('grid')", "nn.Linear(config.patches['size'], 2)", "torch.ones(2).size()"], {"config.patches.size": 64}),
        ("out_features", ["assert out_features % 4 == 0"], {"out_features": 4}),
    ],
)  # fmt: skip
def test_repairs(load: Load, parameters: str, body: list[str], used: dict[str, Any]) -> None:
    assert load(PART + net(parameters, *body))["used"] == used


PART = """from urllib.error import URLError
class Part(nn.Module):
    def __init__(self, nhid, start):
        super().__init__()
        self.layer = nn.Linear(3, nhid)
        if start == "uniform":
            return
        raise NotImplementedError
"""


@pytest.mark.parametrize(
    ("parameters", "line", "message"),
    [
        ("width", "Nothing(width)", "NameError: name 'Nothing' is not defined"),
        ("width", "from torch import nothing", "ImportError: cannot import name 'nothing' from 'torch'"),
        ("width", "torch.nothing(width)", "AttributeError: module 'torch' has no attribute 'nothing'"),
        ("", "Nothing()", "NameError: name 'Nothing' is not defined"),
    ],
)
def test_what_no_argument_changes(load: Load, parameters: str, line: str, message: str) -> None:
    error = load(net(parameters, line) + "def main():\n    Net()\n")["error"]
    assert (error["code"], error["location"]["line"]) == ("SC903", 6)
    assert error["message"].startswith(f"building Net raises {message}")


@pytest.mark.parametrize("chans", ["None", "None, n_outputs=None"])
def test_none_that_is_no_value_after_all(load: Load, chans: str) -> None:
    text = net(f"n_chans={chans}", "if n_chans is None: raise ValueError('n_chans not specified')", "self.n = n_chans")
    assert load(text)["used"] == {"n_chans": 3}


# ---- what is not guessed


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("def Net(model_name: str): ...", "Net needs the argument model_name", "pass --arg model_name=MODEL_NAME, with your own values"),
        (net("backbone: nn.Module, classes: int"), "Net needs the arguments backbone and classes", "backbone cannot be written as --arg: write a function"),
        (net("model, width"), "Net needs the arguments model and width", "model cannot be written as --arg: write a function"),
        (net("checkpoint_path"), "Net needs the argument checkpoint_path", "--arg checkpoint_path=CHECKPOINT_PATH"),
        (net("width", "raise ValueError(f'no {width}')"), "Net needs the argument width, and none of the values", "--arg width=64"),
        (net("width", "raise OSError('no disk')"), "none of the values", "with guessed values: (width=64): OSError: no disk"),
        (net("width", "raise OSError('no disk')") + "def main():\n    Net(3)\n", "none of the values", "as in model.py:8 (and 1 more): (width=3): OSError"),
    ],
)  # fmt: skip
def test_what_is_not_guessed(load: Load, text: str, message: str, hint: str) -> None:
    error = load(text)["error"]
    assert message in error["message"]
    assert hint in error["hint"]
    assert (error["code"], error["exit_status"]) == ("SC902", 3)


def test_the_same_exception_is_told_once(load: Load) -> None:
    error = load(net("width, height", "assert width < 0 < height, 'never'"))["error"]
    assert error["hint"].count("AssertionError: never") == 1
    assert "more)" in error["hint"]


def test_nothing_is_looked_for_where_nothing_is_missing(load: Load) -> None:
    text = net("width=3", "import sys", "assert 'shapecheck.probe.arguments.naming' not in sys.modules")
    assert load(text)["used"] == {}


# ---- the report


def report(folder: Path, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    from shapecheck.cli import run as command

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        command(list(arguments))
    return capfd.readouterr().out


def test_the_report_shows_what_was_found(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = ("lstm_tagger.py:LSTMTagger", "--loss", "cross_entropy", "-a", "hidden_dim=24")
    text = " ".join(report(repository, capfd, *target).split())
    assert "built: LSTMTagger(embedding_dim=64, hidden_dim=24, vocab_size=1000, tagset_size=10);" in text
    assert "embedding_dim, vocab_size and tagset_size guessed, hidden_dim from --arg: give your own with --arg" in text
    assert "note: the 10 classes of the output are a guess: give the number of yours with --arg tagset_size=N" in text


def test_as_many_layers_as_classes_are_no_guess_at_the_classes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stack.py").write_text(
        "from torch import nn\n"
        "class Stack(nn.Module):\n"
        "    def __init__(self, num_layers, classes=2):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(*(nn.Linear(16, 16) for _ in range(num_layers)), nn.Linear(16, classes))\n"
        "    def forward(self, x):\n"
        "        return self.layers(x)\n"
    )
    text = report(tmp_path, capfd, "stack.py:Stack", "--loss", "cross_entropy")
    assert "built: Stack(num_layers=2); num_layers guessed" in text
    assert "are a guess" not in text


def test_the_json_report_has_values_and_places(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = ("trained_elsewhere.py:Speech", "--loss", "cross_entropy", "-a", "hidden=24", "--format", "json")
    [check] = json.loads(report(repository, capfd, *target))["checks"]
    place = {"path": str(Path("scripts", "train_speech.py")), "line": 16}
    assert check["arguments"][:2] == [
        {"name": "n_mels", "value": 40, "origin": "call", "location": place},
        {"name": "hidden", "value": 24, "origin": "flag", "location": None},
    ]
    assert check["output"]["shape"][-1] == 29


@pytest.mark.parametrize(("classes", "codes"), [((), ["SC101"]), (("--classes", "7"), ["SC101"])])
def test_a_guessed_class_count_is_no_fact(
    repository: Path, capfd: pytest.CaptureFixture[str], classes: tuple[str, ...], codes: list[str]
) -> None:
    target = ("lstm_tagger.py:LSTMTagger", "--loss", "cross_entropy", *classes, "--format", "json")
    [check] = json.loads(report(repository, capfd, *target))["checks"]
    assert [finding["code"] for finding in check["findings"]] == codes
    assert check["output"]["shape"][-1] == (7 if classes else 10)


def test_an_error_of_the_run_tells_what_was_guessed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = (
        net("width", "self.layer = nn.Linear(width, 2)")
        + "    def forward(self, x):\n        raise ValueError('never')\n"
    )
    (tmp_path / "model.py").write_text(HEAD + text)
    target = ("model.py:Net", "--loss", "cross_entropy", "--format", "json")
    [check] = json.loads(report(tmp_path, capfd, *target))["checks"]
    assert "it was built with width=64 guessed; give your own with --arg" in check["error"]["hint"]


@pytest.mark.parametrize(
    ("classes", "target", "has_classes", "weight", "count"),
    [
        (7, None, True, None, 7),
        (None, None, True, [1] * 5, 5),
        (None, TensorSpec(("N",)), False, None, 1),
        (None, TensorSpec(("N", 3)), False, None, 3),
        (None, TensorSpec(("N", "T")), False, None, None),
        (None, TensorSpec(("N",)), True, None, None),
        (None, TensorSpec(("N", 4), "float32"), True, None, 4),
        (None, TensorSpec(("N", "T")), True, [1, 1, 1], 3),
        (None, None, False, [1, 2], None),
    ],
)
def test_the_width_of_a_head_that_the_command_line_tells(
    classes: int | None, target: TensorSpec | None, has_classes: bool, weight: object, count: int | None
) -> None:
    from shapecheck.probe.arguments.reporting import class_count

    assert class_count(classes, target, has_classes, weight) == count
