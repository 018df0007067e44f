"""Models that mix samples, or positions of one sample. `# <- kind` marks the line that does it; without a mark there is none."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class HiddenOfBothDirections(nn.Module):
    """(layers * directions, N, H) viewed as one row a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 12)
        self.rnn = nn.GRU(12, 8, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, tokens):
        _, hidden = self.rnn(self.embed(tokens))
        return self.head(hidden.view(tokens.size(0), -1))  # <- samples-mixed


class HiddenOfOneLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 8, bidirectional=True, batch_first=True), nn.Linear(16, 4)

    def forward(self, x):
        _, (hidden, _) = self.rnn(x)
        hidden = torch.reshape(hidden, (x.shape[0], 16))  # <- samples-mixed
        return self.head(hidden)


class TimeFirstByReshape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32), 2, enable_nested_tensor=False)

    def forward(self, tokens):
        x = self.embed(tokens)
        n, t, c = x.shape
        x = self.body(x.reshape(t, n, c))  # <- samples-mixed
        return self.head(x.mean(0))


class BackToBatchFirst(nn.Module):
    """There by transpose, back by view; a row for each step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.LSTM(12, 8), nn.Linear(8, 7)

    def forward(self, tokens):
        n, t = tokens.shape
        out, _ = self.rnn(self.embed(tokens).transpose(0, 1))
        return self.head(out.view(n, t, -1)).transpose(1, 2)  # <- samples-mixed


class ThereAndBackByView(nn.Module):
    """Two views: the second would be wrong alone as well."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8), nn.Linear(8, 7)

    def forward(self, x):
        n, t, c = x.shape
        out, _ = self.rnn(x.view(t, n, c))  # <- samples-mixed
        out = out.reshape(n, t, -1)  # <- samples-mixed
        return self.head(out.mean(1))


class FramesOfVideos(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.head = nn.Conv2d(3, 8, 3, 2), nn.GRU(8, 12), nn.Linear(12, 6)

    def forward(self, video):
        n, frames, c, h, w = video.shape
        features = self.conv(video.view(-1, c, h, w)).mean((2, 3))
        out, _ = self.rnn(features.view(frames, n, -1))  # <- samples-mixed
        return self.head(out[-1])


class CropsAveraged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        )

    def forward(self, x):
        n, crops, c, h, w = x.size()
        scores = self.net(x.view(n * crops, c, h, w))
        return scores.view(crops, n, -1).mean(0)  # <- samples-mixed


class ImagesByConcatenation(nn.Module):
    """Two views of each image, one after the other; unflattened as if they were side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 2), nn.Linear(16, 4)

    def forward(self, left, right):
        x = self.conv(torch.cat([left, right])).mean((2, 3))
        x = x.unflatten(0, (left.size(0), 2))  # <- samples-mixed
        return self.head(x.flatten(1))


class HeadsOfAttention(nn.Module):
    """Heads moved before the samples by a view."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv, self.out, self.head = (
            nn.Embedding(40, 24), nn.Linear(24, 72), nn.Linear(24, 24), nn.Linear(24, 3),
        )  # fmt: skip

    def forward(self, tokens):
        n, t = tokens.shape
        q, k, v = self.qkv(self.embed(tokens)).chunk(3, -1)
        q, k, v = (z.contiguous().view(4, n, t, 6) for z in (q, k, v))  # <- samples-mixed
        weights = torch.softmax(q @ k.transpose(-2, -1) / 6**0.5, -1)
        mixed = (weights @ v).permute(1, 2, 0, 3).reshape(n, t, 24)
        return self.head(self.out(mixed).mean(1))


class DecoderStates(nn.Module):
    """The encoder's last state handed to a decoder as the wrong shape."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.GRU(6, 8, num_layers=2), nn.GRU(8, 16, batch_first=True)
        self.step, self.head = nn.Linear(6, 8), nn.Linear(16, 5)

    def forward(self, x):
        _, state = self.encoder(x.transpose(0, 1))
        state = state.reshape(1, x.size(0), 16)  # <- positions-mixed
        out, _ = self.decoder(self.step(x), state)
        return self.head(out).transpose(1, 2)


# ---------------------------------------------------------------------------- positions


class ConvThenGru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.head = nn.Conv1d(3, 16, 5), nn.GRU(16, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        x = self.conv(x)
        n, c, t = x.size()
        x = x.view(n, t, c)  # <- positions-mixed
        _, hidden = self.rnn(x)
        return self.head(hidden.squeeze(0))


class RowsForLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv, self.head = nn.Embedding(50, 12), nn.Conv1d(12, 20, 3, padding=1), nn.Linear(20, 7)

    def forward(self, tokens):
        x = F.relu(self.conv(self.embed(tokens).transpose(1, 2)))
        n, c, t = x.shape
        y = self.head(x.reshape(-1, c))  # <- positions-mixed
        return y.view(n, t, 7).transpose(1, 2)


class ChannelsLastByView(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 10, 3, padding=1), nn.LayerNorm(10), nn.Linear(10, 4)

    def forward(self, image):
        x = self.conv(image)
        n, c, h, w = x.shape
        x = self.norm(x.view(n, h, w, c))  # <- positions-mixed
        return self.head(x).permute(0, 3, 1, 2)


class TokensToMap(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.body = nn.Conv2d(3, 16, 4, 4), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Conv2d(16, 5, 1)

    def forward(self, image):
        x = self.patch(image)
        n, c, h, w = x.shape
        x = self.body(x.flatten(2).transpose(1, 2))
        return self.head(x.view(n, c, h, w))  # <- positions-mixed


class MapToTokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.body = nn.Conv2d(3, 16, 4, 4), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, image):
        x = self.patch(image)
        x = x.reshape(x.size(0), -1, 16)  # <- positions-mixed
        return self.head(self.body(x).mean(1))


class PatchesByView(nn.Module):
    def __init__(self, size: int = 24, patch: int = 6) -> None:
        super().__init__()
        self.patch = patch
        self.embed, self.head = nn.Linear(3 * patch * patch, 20), nn.Linear(20, 4)
        self.tokens = nn.Linear((size // patch) ** 2, 6)

    def forward(self, image):
        n, c, h, w = image.shape
        p = self.patch
        x = image.view(n, (h // p) * (w // p), c * p * p)  # <- positions-mixed
        return self.head(self.tokens(self.embed(x).transpose(1, 2)).mean(2))


class PatchesByUnfold(nn.Module):
    """unfold gives (N, C, h, w, p, p); the channels have to move behind the places."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(3 * 16, 20), nn.Linear(20, 4)

    def forward(self, image):
        x = image.unfold(2, 4, 4).unfold(3, 4, 4)
        x = x.reshape(image.size(0), -1, 48)  # <- positions-mixed
        return self.head(F.relu(self.embed(x)).amax(1))


class WindowsPutBack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attention = nn.Conv2d(1, 12, 3, padding=1), nn.MultiheadAttention(12, 2, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, image):
        x = self.stem(image).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        x = x.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        x, _ = self.attention(x, x, x)
        x = x.reshape(n, h, w, c)  # <- positions-mixed
        return self.head(x).permute(0, 3, 1, 2)


class BottleneckOfUnet(nn.Module):
    """Attention inside a UNet, there right and back by view."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 8, 3, 2, 1), nn.ConvTranspose2d(8, 8, 2, 2)
        self.mid, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Conv2d(8, 3, 1)

    def forward(self, image):
        x = F.relu(self.down(image))
        tokens = x.flatten(2).permute(0, 2, 1)
        tokens = tokens + self.mid(tokens, tokens, tokens)[0]
        x = x + tokens.contiguous().view_as(x)  # <- positions-mixed
        return self.out(self.up(x))


class StepsOfText(nn.Module):
    """A text TCN: (N, T, E) read as (N, E, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.conv, self.head = (
            nn.Embedding(60, 20),
            nn.Conv1d(20, 16, 3, padding=2, dilation=2),
            nn.Linear(16, 4),
        )

    def forward(self, tokens):
        x = self.embed(tokens)
        x = x.view(x.size(0), x.size(2), x.size(1))  # <- positions-mixed
        return self.head(self.conv(x).amax(2))


class SpectrogramRnn(nn.Module):
    """CRNN: channels and bands belong together, time apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.head = (
            nn.Conv2d(1, 6, 3, padding=1),
            nn.GRU(6 * 20, 8, batch_first=True),
            nn.Linear(8, 9),
        )

    def forward(self, spectrogram):
        x = self.conv(spectrogram)
        n, c, bands, t = x.shape
        x = x.reshape(n, t, c * bands)  # <- positions-mixed
        return self.head(self.rnn(x)[0]).transpose(1, 2)


# ---------------------------------------------------------------------------- the batch for time


class RecurrentLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.LSTM(12, 8), nn.Linear(8, 4)

    def forward(self, tokens):
        out, _ = self.rnn(self.embed(tokens))  # <- batch-read-as-time
        return self.head(out[:, -1])


class RecurrentPooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8, bidirectional=True), nn.Linear(16, 4)

    def forward(self, x):
        x, _ = self.rnn(x)  # <- batch-read-as-time
        return self.head(x.amax(dim=1))


class EncoderPooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32), 2, enable_nested_tensor=False)

    def forward(self, tokens):
        x = self.body(self.embed(tokens))  # <- batch-read-as-time
        return self.head(x.mean(dim=1))


class ViewsOfPatches(nn.Module):
    """A small vision transformer whose attention layer was left time first."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.attention, self.head = nn.Conv2d(3, 16, 4, 4), nn.MultiheadAttention(16, 2), nn.Linear(16, 4)

    def forward(self, image):
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = x + self.attention(x, x, x)[0]  # <- batch-read-as-time
        return self.head(x.mean(1))


class ConvolutionThenLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.head = nn.Conv1d(3, 12, 5), nn.LSTM(12, 8), nn.Linear(8, 4)

    def forward(self, x):
        out, _ = self.rnn(self.conv(x).transpose(1, 2))  # <- batch-read-as-time
        return self.head(out[:, -1, :])


class AttentionOverFrames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.body = nn.Conv2d(3, 16, 3, 2), nn.TransformerEncoderLayer(16, 2, 32)
        self.head = nn.Linear(16, 4)

    def forward(self, video):
        n, t, c, h, w = video.shape
        x = self.conv(video.reshape(n * t, c, h, w)).mean((2, 3)).view(n, t, 16)
        return self.head(self.body(x)[:, 0])  # <- batch-read-as-time


# ---------------------------------------------------------------------------- along the batch


class GateOverSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(x * torch.softmax(self.gate(x), 0))  # <- softmax-over-samples


class AttentionOverSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(50, 12), nn.GRU(12, 8, batch_first=True)
        self.score, self.head = nn.Linear(8, 1), nn.Linear(8, 4)

    def forward(self, tokens):
        x, _ = self.rnn(self.embed(tokens))
        scores = self.score(torch.tanh(x)).squeeze(-1)
        weights = F.softmax(scores, dim=0)  # <- softmax-over-samples
        return self.head((weights.unsqueeze(-1) * x).sum(1))


class ModuleOverSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.softmax, self.head = nn.Conv2d(3, 8, 3, 2), nn.Softmax(dim=0), nn.Linear(8, 4)

    def forward(self, image):
        x = self.conv(image).mean((2, 3))
        x = x * self.softmax(x)  # <- softmax-over-samples
        return self.head(x)


class NormalizedOverSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv1d(3, 8, 5), nn.Linear(8, 4)

    def forward(self, x):
        x = F.normalize(self.conv(x).mean(2), dim=0)  # <- softmax-over-samples
        return self.head(x)


class Signatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 8, 3, 2), nn.Linear(8, 16)

    def embed(self, image):
        return self.head(self.conv(image).mean((2, 3)))

    def forward(self, one, other):
        return 5 * F.cosine_similarity(self.embed(one), self.embed(other), dim=0)  # <- softmax-over-samples


class ImplicitAxis(nn.Module):
    """Without dim, torch takes axis 0 of three."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        x, _ = self.rnn(x)
        x = x * F.softmax(self.score(x))  # <- softmax-over-samples
        return self.head(x.mean(1))


class TaggerByWord(nn.Module):
    """A row for each step of each sample: which is which only the user can say."""

    # input N,T:int64

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.LSTM(12, 8), nn.Linear(8, 9)

    def forward(self, tokens):
        x, _ = self.rnn(self.embed(tokens))  # <- batch-read-as-time
        return self.head(x).transpose(1, 2)


class TableAsSequence(nn.Module):
    # input N,13

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.TransformerEncoderLayer(16, 2, 32), nn.Linear(16, 4)
        self.embed = nn.Linear(13, 16)

    def forward(self, row):
        x = self.body(self.embed(row).unsqueeze(1))  # <- batch-read-as-time
        return self.head(x[:, 0])


class LastSample(nn.Module):
    """The last sample for the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 12), nn.Linear(8, 4)
        self.rnn = nn.LSTM(12, 8, batch_first=True)

    def forward(self, tokens):
        out, _ = self.rnn(self.embed(tokens))
        return self.head(out[-1])  # <- softmax-over-samples


class MeanOfSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)
        self.body = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, tokens):
        x = self.body(self.embed(tokens))
        return self.head(x.mean(dim=0))  # <- softmax-over-samples


class LargestOfSamples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        x, _ = self.rnn(x)
        x = torch.max(x, 0)[0]  # <- softmax-over-samples
        return self.head(x)


# ---------------------------------------------------------------------------- a fixed number of positions


class PatchesOfFixedImages(nn.Module):
    """Images a pixel larger run too; the patches stay as many."""

    def __init__(self):
        super().__init__()
        self.patch, self.position = nn.Conv2d(3, 24, 8, stride=8), nn.Parameter(torch.randn(1, 16, 24))
        self.body, self.head = nn.TransformerEncoderLayer(24, 4, 48, batch_first=True), nn.Linear(24, 10)

    def forward(self, image):
        x = self.patch(image)
        x = x.reshape(image.shape[0], -1, 24) + self.position  # <- positions-mixed
        return self.head(self.body(x).mean(1))


class LengthOverSamples(nn.Module):
    # loss mse_loss
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(6, 16), nn.Linear(16, 4)

    def forward(self, x):
        x = self.body(x)
        length = x.norm(dim=0, keepdim=True)  # <- softmax-over-samples
        return self.head(x / length)
