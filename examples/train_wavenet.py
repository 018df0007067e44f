"""Trains the four networks of wavenet_mended.py for a few steps each, to show that their losses fall.

The data are made here: noisy sine tones, and the class of a tone is its pitch. Nothing is read or written.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor
from wavenet import WaveNet, mu_law
from wavenet_mended import WaveNetAttention, WaveNetLastStep, WaveNetMean, WaveNetPerStep

BATCH, TIME = 32, 64
PITCHES = torch.tensor([0.02, 0.15, 0.27, 0.4])  # cycles per sample; a class each
LEVELS = 16  # coarse, so that each code is met often enough to be learned within seconds


def clips(notes: int) -> tuple[Tensor, Tensor]:
    """A batch of codes (N, T) and the pitch class at every step (N, T). A clip has `notes` equally long tones."""
    labels = torch.randint(len(PITCHES), (BATCH, notes)).repeat_interleave(TIME // notes, dim=1)
    phase = torch.rand(BATCH, 1) + PITCHES[labels].cumsum(dim=1)  # in cycles
    audio = 0.8 * torch.sin(2 * torch.pi * phase) + 0.05 * torch.randn(BATCH, TIME)
    return mu_law(audio.clamp(-1, 1), LEVELS), labels


def train(model: WaveNet, steps: int) -> list[float]:
    """The loss of each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        if isinstance(model, WaveNetPerStep):
            codes, labels = clips(notes=2)
        else:
            codes, labels = clips(notes=1)
            labels = labels[:, 0]  # (N,): one label per clip
        loss = F.cross_entropy(model(codes), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60, help="training steps of each network (default: 60)")
    steps = parser.parse_args().steps
    if steps < 1:
        parser.error("--steps must be at least 1")
    torch.set_num_threads(1)

    results = {}
    for ending in (WaveNetMean, WaveNetLastStep, WaveNetAttention, WaveNetPerStep):
        torch.manual_seed(0)
        losses = train(ending(len(PITCHES), levels=LEVELS), steps)
        shown = [losses[round(part * (steps - 1) / 5)] for part in range(6)]
        print(f"{ending.__name__:<18}", " -> ".join(f"{loss:.2f}" for loss in shown), flush=True)
        results[ending.__name__] = losses

    print(f"\n{'network':<18} {'first loss':>10} {'last loss':>10}")
    for name, losses in results.items():
        print(f"{name:<18} {losses[0]:>10.3f} {losses[-1]:>10.3f}")


if __name__ == "__main__":
    main()
