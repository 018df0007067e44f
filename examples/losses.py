"""Two losses that torch does not have. What they accept, and what can go wrong, stands in rules/."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dice_loss(output: Tensor, target: Tensor, smooth: float = 1.0, reduction: str = "mean") -> Tensor:
    """One minus the overlap of each class with its mask, averaged over the classes.

    output: logits (N, C, ...); target: masks of 0 and 1, one for each class, (N, C, ...). With one class the logits
    are of its sigmoid. Without reduction (N).
    """
    probabilities = output.sigmoid() if output.shape[1] == 1 else output.softmax(dim=1)
    positions = tuple(range(2, output.dim()))
    overlap = (probabilities * target).sum(dim=positions)
    total = probabilities.sum(dim=positions) + target.sum(dim=positions)
    loss = (1 - (2 * overlap + smooth) / (total + smooth)).mean(dim=1)
    return reduced(loss, reduction)


def focal_loss(output: Tensor, target: Tensor, gamma: float = 2.0, reduction: str = "mean") -> Tensor:
    """Cross entropy in which what is right already counts little (Lin et al., 2017).

    output: logits (N, C, ...); target: class indices (N, ...). Without reduction as the target.
    """
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}, but has to be 0 or more")
    loss = F.cross_entropy(output, target, reduction="none")
    return reduced((1 - torch.exp(-loss)) ** gamma * loss, reduction)


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """As torch's own losses."""
    return {"none": lambda: loss, "mean": loss.mean, "sum": loss.sum}[reduction]()
