from enum import Enum
from typing import Literal, Optional, Union, Sequence, Callable, Type, List, Tuple
import torch.nn as nn


class Pool(Enum):
    MEAN = "mean"
    MAX = "max"


class Net(nn.Module):
    def __init__(
        self,
        channels: List[int],
        pool: Pool,
        mode: Literal["a", "b"],
        act: Callable[..., nn.Module],
        norm_layer: Type[nn.Module],
        num_classes: Optional[int],
        size: Union[int, Tuple[int, int]],
        flag: bool,
        depths: Tuple[int, int, int],
        p: float,
    ):
        super().__init__()
        assert isinstance(pool, Pool) and mode in ("a", "b") and flag in (True, False) and len(depths) == 3
        layers, c = [], 3
        for out in channels:
            layers += [nn.Conv2d(c, out, 3), norm_layer(out), act()]
            c = out
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(c, num_classes)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        return self.head(self.drop(self.body(x).mean((2, 3))))
