"""Audio networks with second inputs, checks of their own and hard-coded lengths, in the manner of public repositories."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class AuxiliaryWaveNet(nn.Module):
    """Quantised samples, and features at the same rate under a name that says nothing: (N, T) and (N, 28, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.causal = nn.Conv1d(64, 16, 2)
        self.aux = nn.ModuleList([nn.Conv1d(28, 16, 1) for _ in range(3)])
        self.dilated = nn.ModuleList([nn.Conv1d(16, 16, 2, dilation=2**i) for i in range(3)])
        self.post = nn.Conv1d(16, 64, 1)

    def forward(self, x, h):
        y = self.causal(F.pad(F.one_hot(x % 64, 64).transpose(1, 2).float(), (1, 0)))
        for conv, aux in zip(self.dilated, self.aux):
            y = y + torch.tanh(conv(F.pad(y, (conv.dilation[0], 0))) + aux(h))
        return self.post(y).transpose(1, 2)


class UpsampledWaveNet(AuxiliaryWaveNet):
    """The features come in frames of 10 samples and go through a transposed 2-D convolution first."""

    def __init__(self) -> None:
        super().__init__()
        self.upsampling = nn.ConvTranspose2d(1, 1, (1, 10), stride=(1, 10))

    def forward(self, x, h):
        return super().forward(x, self.upsampling(h.unsqueeze(1)).squeeze(1))


class JoinedWaveNet(nn.Module):
    """Embedded samples joined with features, cut to the samples' length."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(256, 32)
        self.layers = nn.ModuleList([nn.Conv1d(32 + 26, 32, 2, dilation=2**i) for i in range(3)])
        self.end = nn.Conv1d(32, 256, 1)

    def forward(self, x, y):
        x = self.emb(x).transpose(1, 2)
        for layer in self.layers:
            joined = torch.cat((x, y[:, :, -x.size(2) :]), 1)
            x = x + torch.tanh(layer(F.pad(joined, (layer.dilation[0], 0))))
        return self.end(x)


class FramesToSamples(nn.Module):
    """A vocoder: raw samples (N, T) and mel frames (N, 20, T / 30 + 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(20, 16, 5)
        self.rnn = nn.GRU(17, 24, batch_first=True)
        self.fc = nn.Linear(24, 64)

    def forward(self, x, mels):
        frames = self.conv(mels).repeat_interleave(30, 2).transpose(1, 2)
        y, _ = self.rnn(torch.cat([x.unsqueeze(-1), frames], dim=2))
        return self.fc(y)


class MaskedStages(nn.Module):
    """Action segmentation in stages, each with the mask of all classes: (stages, N, C, T)."""

    def __init__(self, dim: int = 48, classes: int = 19) -> None:
        super().__init__()
        self.first = nn.Conv1d(dim, classes, 3, padding=1)
        self.second = nn.Conv1d(classes, classes, 3, padding=2, dilation=2)

    def forward(self, x, mask):
        one = self.first(x) * mask[:, 0:1, :]
        two = self.second(F.softmax(one, dim=1) * mask[:, 0:1, :])
        return torch.stack((one, two))


class AssertingPose(nn.Module):
    """Poses over time, (N, T, joints, 2), with bare asserts on everything."""

    def __init__(self) -> None:
        super().__init__()
        self.joints, self.features = 17, 2
        self.conv = nn.Conv1d(34, 32, 3)
        self.shrink = nn.Conv1d(32, 9, 1)

    def forward(self, x):
        assert len(x.shape) == 4
        assert x.shape[-2] == self.joints
        assert x.shape[-1] == self.features
        x = x.view(x.shape[0], x.shape[1], -1).permute(0, 2, 1)
        return self.shrink(torch.relu(self.conv(x)))


class OwnWords(nn.Module):
    """Too short is said in the model's own words, by a helper."""

    def __init__(self) -> None:
        super().__init__()
        self.reach = 1200
        self.conv, self.head = nn.Conv1d(1, 8, 2, dilation=1199), nn.Conv1d(8, 7, 1)

    def output_size(self, x):
        size = x.shape[2] - self.reach
        if size < 1:
            raise ValueError("cannot do that")
        return size

    def forward(self, x):
        return self.head(self.conv(x))[:, :, -self.output_size(x) :]


class CutToLength(nn.Module):
    """Every layer keeps the last samples only, a number fixed when the model was built."""

    def __init__(self, output_width: int = 490) -> None:
        super().__init__()
        self.width = output_width
        self.inp = nn.Conv1d(1, 16, 2, padding=1)
        self.layers = nn.ModuleList([nn.Conv1d(16, 16, 2, dilation=2**i) for i in range(7)])
        self.out = nn.Conv1d(16, 256, 1)

    def forward(self, x):
        x, skips = self.inp(x), 0
        for layer in self.layers:
            x = torch.relu(layer(x))
            skips = skips + x.narrow(-1, x.size(-1) - self.width, self.width)
        return self.out(skips)


class WholeFrames(nn.Module):
    """(N, T) cut in frames of 160 samples; anything else is refused without a word."""

    def __init__(self, frame: int = 160) -> None:
        super().__init__()
        self.frame, self.fc = frame, nn.Linear(frame, 12)

    def forward(self, wav):
        batch, time = wav.shape
        assert time % self.frame == 0
        return self.fc(wav.reshape(batch, time // self.frame, self.frame))


class SpectrogramRows(nn.Module):
    """(N, T, bands), a picture inside, with a kernel over all bands."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 8, (3, 64)), nn.Linear(8, 10)

    def forward(self, x):
        return self.out(self.conv(x.unsqueeze(1)).squeeze(3).transpose(1, 2))


class AttentionColumn(nn.Module):
    """Bidirectional recurrence and attention, whose weights (N, T, 1) are returned too."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(13, 16, bidirectional=True, batch_first=True)
        self.score, self.out = nn.Linear(32, 1), nn.Linear(32, 7)

    def forward(self, x):
        states, _ = self.rnn(x)
        weights = F.softmax(self.score(states), dim=1)
        return self.out((weights * states).sum(1)), weights


class OneLength(nn.Module):
    """How many steps to give back is one plain number."""

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.out = nn.Embedding(40, 16), nn.Conv1d(16, 40, 3, padding=1)

    def forward(self, tokens, output_length):
        return self.out(self.emb(tokens).transpose(1, 2))[:, :, -output_length:]


class DeepValid(nn.Module):
    """A receptive field of 4,093 samples, without padding."""

    def __init__(self, classes: int = 20) -> None:
        super().__init__()
        self.inp = nn.Conv1d(1, 8, 1)
        self.layers = nn.ModuleList([nn.Conv1d(8, 8, 2, dilation=2**i) for _ in range(4) for i in range(10)])
        self.out = nn.Conv1d(8, classes, 1)

    def forward(self, x):
        x = self.inp(x)
        for layer in self.layers:
            y = torch.relu(layer(x))
            x = y + x[:, :, -y.size(2) :]
        return self.out(x)


class FixedView(nn.Module):
    """One second of audio, written down as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 35, 3, padding=1)

    def forward(self, x):
        return self.conv(x.view(-1, 1, 16000)).mean(-1)


class WideWaveNet(nn.Module):
    """Slow enough for the output's shape to be asked of tensors without values."""

    def __init__(self) -> None:
        super().__init__()
        self.inp = nn.Conv1d(256, 512, 1)
        self.layers = nn.ModuleList([nn.Conv1d(512, 512, 3, padding=2**i, dilation=2**i) for i in range(5)])
        self.out = nn.Conv1d(512, 256, 1)

    def forward(self, x):
        x = self.inp(x)
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.out(x)


class OnlyOnGpu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)

    def forward(self, x):
        return self.conv(x) + torch.zeros(1, device="cuda")


class Misspelt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)

    def forward(self, x):
        return self.convv(x)


class ModulatedTCN(nn.Module):
    """An effect whose settings, (N, 1, 2), stand in an optional argument; but without them a layer is missing."""

    def __init__(self, settings: int = 2) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv1d(1, 16, 13), nn.Conv1d(16, 1, 1)
        self.film = nn.Sequential(nn.Linear(settings, 8), nn.ReLU(), nn.Linear(8, 32))

    def forward(self, x, p=None):
        x = self.conv(x)
        if p is None:
            x = self.norm(x)
        else:
            scale, shift = self.film(p).permute(0, 2, 1).chunk(2, 1)
            x = x * scale + shift
        return self.out(torch.relu(x))
