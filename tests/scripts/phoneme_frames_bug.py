import os
import tempfile

import torch
from torch import nn
import torch.nn.functional as F

N_MELS, N_PHONES, FRAMES = 13, 16, 16


class ResBlock(nn.Module):
    def __init__(self, ch, dilation):
        super().__init__()
        self.conv = nn.Conv1d(ch, ch, 3, padding=dilation, dilation=dilation)
        self.norm = nn.GroupNorm(4, ch)

    def forward(self, x):
        return x + F.relu(self.norm(self.conv(x)))


class PhonemeNet(nn.Module):
    def __init__(self, ch=24):
        super().__init__()
        self.inp = nn.Conv1d(N_MELS, ch, 1)
        self.body = nn.Sequential(*[ResBlock(ch, 2 ** i) for i in range(3)])
        self.out = nn.Linear(ch, N_PHONES)

    def forward(self, mel):  # mel: (batch, mel, frame)
        h = self.body(self.inp(mel))
        h = self.out(h.transpose(1, 2))
        logp = F.log_softmax(h, dim=-1)
        return logp


def utterances(n, g):
    phones = torch.randint(0, N_PHONES, (n, FRAMES), generator=g)
    table = torch.randn(N_PHONES, N_MELS, generator=torch.Generator().manual_seed(99))
    return (table[phones] + 0.2 * torch.randn(n, FRAMES, N_MELS, generator=g)).transpose(1, 2), phones


def train(steps=16):
    torch.manual_seed(2)
    g = torch.Generator().manual_seed(2)
    net = PhonemeNet()
    opt = torch.optim.AdamW(net.parameters(), lr=5e-3)
    with tempfile.TemporaryDirectory(dir=os.environ.get("CHECKPOINT_DIR")) as out:
        for step in range(steps):
            mel, phones = utterances(12, g)
            loss = F.nll_loss(net(mel), phones)
            opt.zero_grad()
            loss.backward()
            opt.step()
            if step % 8 == 7:
                torch.save({"step": step, "model": net.state_dict()}, os.path.join(out, f"{step:04d}.pt"))
                print(step, f"{loss.item():.4f}")


if __name__ == "__main__":
    train()
