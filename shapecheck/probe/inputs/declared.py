"""Channels that the model names for itself and takes any number of: each is read alone, so that only its configuration knows them."""

from __future__ import annotations

import re

from torch import nn

from shapecheck.probe.runs.feeding import main_index, resize
from shapecheck.probe.runs.running import Runner, Trial

_CHANNELS = re.compile(r"^_?(num_|n_)?(in(put)?_)?(channels|chans)$|^enc_in$")
_HOLDERS = ("config", "cfg", "args", "configs", "hparams")


def with_declared_channels(runner: Runner, trial: Trial) -> Trial:
    """The same call with as many channels as the model says it has, if it runs on them; else the trial itself."""
    argument = trial.call[main_index(trial.call)] if trial.call else None
    channels = declared_channels(runner.model)
    if argument is None or channels is None or argument.kind != "float":
        return trial
    loose = [axis for axis in range(1, len(argument.shape)) if not argument.label(axis)]
    if len(loose) != 1 or argument.shape[loose[0]] == channels:
        return trial
    other = runner.run(resize(trial.call, [(main_index(trial.call), loose[0])], channels))
    return other if other.worked else trial


def declared_channels(model: nn.Module) -> int | None:
    """The one number of input channels among the attributes of the model and of its configuration."""
    holders = [vars(model), *(vars(model).get(name) for name in _HOLDERS)]
    named = [holder if isinstance(holder, dict) else getattr(holder, "__dict__", {}) for holder in holders if holder]
    found = {v for each in named for k, v in each.items() if _CHANNELS.match(str(k)) and type(v) is int and v > 0}
    return found.pop() if len(found) == 1 else None
