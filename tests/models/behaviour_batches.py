"""Models that are right for some batch sizes only. `# <- kind` marks the line that does it; without a mark there is none."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class SqueezedScore(nn.Module):
    # loss binary_cross_entropy_with_logits

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 1)

    def forward(self, image):
        return self.head(self.conv(image).mean((2, 3))).squeeze()  # <- batch-axis-lost


class SqueezedPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.head = nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, image):
        x = torch.squeeze(self.pool(F.relu(self.conv(image))))  # <- batch-axis-lost
        return self.head(x)


class SqueezedState(nn.Module):
    """squeeze(0) of what has the batch in front: nothing, but for a batch of one."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.head(out[:, -1]).squeeze(0)  # <- batch-axis-lost


class SqueezedSeries(nn.Module):
    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x):
        x, _ = self.rnn(x)
        x = self.head(x)
        return x.squeeze()  # <- batch-axis-lost


class SqueezedTwice(nn.Module):
    # loss binary_cross_entropy_with_logits

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.head = nn.Conv1d(3, 8, 3), nn.AdaptiveAvgPool1d(1), nn.Linear(8, 1)

    def forward(self, x):
        x = self.pool(self.conv(x)).squeeze()  # <- batch-axis-lost
        return self.head(x).squeeze()  # <- batch-axis-lost


class SqueezedMask(nn.Module):
    # loss binary_cross_entropy_with_logits

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, image):
        return self.up(F.relu(self.down(image))).squeeze()  # <- batch-axis-lost


class ScriptOfOne(nn.Module):
    """A line for single pictures, as for a demonstration."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 10)

    def forward(self, image):
        x = self.head(self.conv(image).mean((2, 3)))
        if x.size(0) == 1:
            x = x[0]  # <- batch-axis-lost
        return x


class SqueezedBeforePooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv, self.head = nn.Embedding(50, 12), nn.Conv2d(1, 8, (3, 12)), nn.Linear(8, 4)

    def forward(self, tokens):
        x = self.conv(self.embed(tokens).unsqueeze(1)).squeeze(3)
        x = F.max_pool1d(x, x.size(2)).squeeze()  # <- batch-axis-lost
        return self.head(x)


class FailsAlone(nn.Module):
    """Leave-one-out means need another sample."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.GRU(12, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, tokens):
        _, hidden = self.rnn(self.embed(tokens))
        hidden = hidden.squeeze()
        return self.head(hidden.transpose(0, 1).transpose(0, 1))  # <- batch-of-one-fails


class FailsAloneInAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 2), nn.Linear(8, 4)

    def forward(self, image):
        x = self.conv(image).mean((2, 3), keepdim=True).squeeze()
        n, c = x.shape  # <- batch-of-one-fails
        return self.head(x.view(n, c))


class HalvesOfABatch(nn.Module):
    """Neighbours that stand for pairs."""

    # input 6,13

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(13, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, x):
        x = self.body(x)
        return x.view(x.size(0) // 2, 2, 4).flatten(0, 1)  # <- odd-batch-fails


class StateOfOneSize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x):
        state = torch.zeros(1, 8, 16)
        out, _ = self.rnn(x, state)  # <- batch-is-fixed
        return self.head(out[:, -1])


class ViewOfOneSize(nn.Module):
    # input 16,3,32,32

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8 * 8 * 8, 10)

    def forward(self, image):
        x = self.conv(image).view(16, -1)
        return self.head(x)  # <- batch-is-fixed


class TokensOfOneSize(nn.Module):
    """A class token for so many samples."""

    # input 6,3,32,32

    def __init__(self, batch_size: int = 6) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(batch_size, 1, 16))
        self.patch, self.head = nn.Conv2d(3, 16, 8, 8), nn.Linear(16, 5)
        self.body = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, image):
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token, x], 1)  # <- batch-is-fixed
        return self.head(self.body(x)[:, 0])


class ViewOfFixedBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)).view(32, 4))  # <- batch-is-fixed
