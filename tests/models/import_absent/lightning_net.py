"""Every way in which a file leans on packages that a check does not have."""

import torch
import torch.nn as nn
import absent_lightning as pl
import absent_numeric as anp
from absent_tracking import *
from absent_registry import build, registry
from absent_registry.layers import Attention
from absent_version import parse
from torch.utils.data import DataLoader

if parse(pl.__version__) >= parse("2.0"):
    NEW = True
else:
    NEW = False

try:
    import absent_fused
except ImportError:
    absent_fused = None
assert absent_fused is None


anp.rcParams["figure.dpi"] = 100
TAU = 2 * anp.pi + 1


class Data(pl.LightningDataModule):
    def __init__(self, folder: anp.Folder = anp.Folder("data"), tokenizer: "anp.Tokenizer | None" = None):
        super().__init__()


class Encoder(Attention[int], metaclass=type):
    pass


@registry.register
@registry.register("net")
@anp.jit(nopython=True)
class Net(anp.HubMixin, pl.LightningModule, repo="x"):
    def __init__(self, hidden: anp.Size = 16, kind: anp.Kind | None = None):
        super().__init__()
        self.save_hyperparameters()
        self.is_new = isinstance(hidden, anp.Size)
        self.first = nn.Linear(13, hidden)
        self.last = nn.Linear(hidden, 5)

    @anp.jit
    def forward(self, x: anp.Array):
        x = self.first(x).relu()
        self.log("mean", x.mean())
        return self.last(x)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention(13)

    def forward(self, x):
        return self.attention(x)


class InBuild(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(anp.width(3), 5)


class InForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(13, 5)

    def forward(self, x):
        return self.layer(x) + anp.zeros(5)


built = build("net")
