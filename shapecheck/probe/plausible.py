"""Plausible values for constructor arguments, by their names and annotations. For hints: nothing is built with them."""

from __future__ import annotations

import inspect
from inspect import Parameter

_BY_NAME = (
    (("n_class", "class", "num_label", "n_label", "n_out", "out_feature", "output_dim", "output_size"), "10"),
    (("vocab", "num_embedding", "n_token", "ntoken", "num_token"), "1000"),
    (("in_ch", "input_ch", "n_channel", "in_chan", "image_ch"), "3"),
    (("drop", "prob", "rate", "alpha", "beta", "gamma", "slope", "eps", "momentum"), "0.1"),
    (("layer", "depth", "block", "head", "stage"), "2"),
    (("kernel", "stride", "dilation", "padding"), "3"),
    (("len", "step", "window", "frames", "time"), "97"),
    (("image_size", "img_size", "resolution", "height", "width"), "64"),
)
_BY_ANNOTATION = {"int": "64", "float": "0.1", "bool": "true", "str": "relu", "list": "[64, 64]", "tuple": "[64, 64]"}
_PLURALS = ("sizes", "dims", "channels_list", "layers", "hiddens", "widths", "units")
_COUNTS = ("n_", "num", "nb_", "nlayers", "nhid")
_OBJECTS = (
    "config", "cfg", "conf", "args", "opt", "opts", "params", "hparams", "hps", "options", "backbone", "encoder",
    "decoder", "model", "net", "module", "block", "tokenizer", "logger",
)  # fmt: skip


def argument_line(parameter: Parameter) -> str:
    """`--arg classes=10`, quoted where a shell would read the value."""
    written = f"{parameter.name}={_value(parameter)}"
    return f"--arg '{written}'" if set(written) & set(" []{}*") else f"--arg {written}"


def needs_an_object(parameter: Parameter) -> bool:
    """Whether no YAML value can be what it wants: a config object, another module, a function."""
    if parameter.annotation is not Parameter.empty:
        return _scalar(parameter) is None and _is_class_annotation(parameter)
    return parameter.name in _OBJECTS


def _value(parameter: Parameter) -> str:
    scalar, name = _scalar(parameter), parameter.name.lower()
    if scalar is not None and scalar not in ("int", "float"):
        return _BY_ANNOTATION[scalar]
    if scalar is None and name.endswith(_PLURALS) and not name.startswith(_COUNTS):
        return _BY_ANNOTATION["list"]
    guess = next((value for parts, value in _BY_NAME if any(part in name for part in parts)), None)
    if guess is None or (scalar == "int" and "." in guess):
        guess = _BY_ANNOTATION[scalar or "int"]
    return guess


def _scalar(parameter: Parameter) -> str | None:
    """The plain type in an annotation, if there is one: `Optional[int]` is int, `list[int]` is list."""
    text = annotation_text(parameter)
    outer = text.split("[")[0].rpartition(".")[2]
    if outer in ("Optional", "Union", "Annotated"):
        text = text.partition("[")[2]
        outer = text.split("[")[0].split(",")[0].strip(" ]")
    first = outer.split("|")[0].strip().lower()
    first = {"sequence": "list", "iterable": "list"}.get(first, first)
    return first if first in _BY_ANNOTATION else None


def _is_class_annotation(parameter: Parameter) -> bool:
    text = annotation_text(parameter)
    return text not in ("Any", "object") and text[:1] != "~"


def annotation_text(parameter: Parameter) -> str:
    """The annotation about as it was written; empty where there is none."""
    annotation = parameter.annotation
    if annotation is Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return inspect.formatannotation(annotation).replace("typing.", "")
