"""Right models that reshape, mix, stop gradients or ask for values in ways that a careless check would complain of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class TimeFirstHeads(nn.Module):
    """(T, N, heads * D) cut into heads as torch's own attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv, self.head = nn.Embedding(40, 24), nn.Linear(24, 72), nn.Linear(24, 9)

    def forward(self, tokens):
        x = self.embed(tokens).transpose(0, 1)
        t, n, _ = x.shape
        q, k, v = (z.contiguous().view(t, n * 4, 6).transpose(0, 1) for z in self.qkv(x).chunk(3, -1))
        x = torch.softmax(q @ k.transpose(1, 2) / 6**0.5, -1) @ v
        return self.head(x.transpose(0, 1).contiguous().view(t, n, 24).transpose(0, 1)).transpose(1, 2)


class ChannelShuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 12, 3, 2), nn.Conv2d(12, 12, 3, 2, groups=3), nn.Linear(12, 4)

    def forward(self, image):
        x = self.one(image)
        n, c, h, w = x.shape
        x = x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(self.two(x).mean((2, 3)))


class PixelShuffleByHand(nn.Module):
    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 9, 3, padding=1)

    def forward(self, image):
        x = self.conv(image)
        n, _, h, w = x.shape
        return x.view(n, 1, 3, 3, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, 1, 3 * h, 3 * w)


class SpaceToDepth(nn.Module):
    # input N,3,16,24

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(12, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, image):
        n, c, h, w = image.shape
        x = image.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        return self.head(self.conv(x).mean((2, 3)))


class FramesStacked(nn.Module):
    """Listen, attend and spell: two steps become one of twice the width."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.LSTM(6, 8, batch_first=True), nn.LSTM(16, 8, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x, _ = self.one(x)
        n, t, c = x.shape
        x = x[:, : t // 2 * 2].contiguous().view(n, t // 2, 2 * c)
        return self.head(self.two(x)[0]).transpose(1, 2)


class FramesUnstacked(nn.Module):
    """A decoder that gives three frames a step."""

    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 3 * 20)

    def forward(self, x):
        x = self.head(self.rnn(x)[0])
        return x.view(x.size(0), -1, 20)


class ShiftedScores(nn.Module):
    """Relative positions by padding and viewing anew."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.query, self.head = nn.Embedding(40, 16), nn.Linear(16, 16), nn.Linear(16, 9)
        self.relative = nn.Parameter(torch.randn(64, 16))

    def forward(self, tokens):
        x = self.embed(tokens)
        n, t, _ = x.shape
        scores = self.query(x) @ self.relative[-t:].t()
        scores = F.pad(scores, (1, 0)).view(n, t + 1, t)[:, 1:].reshape(n, t, t)
        return self.head(torch.softmax(self.query(x) @ x.transpose(1, 2) + scores, -1) @ x).transpose(1, 2)


class ShiftedByZeros(nn.Module):
    """The same as Transformer-XL does it, time first."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.query, self.head = nn.Embedding(40, 16), nn.Linear(16, 16), nn.Linear(16, 9)
        self.relative = nn.Parameter(torch.randn(64, 16))

    def _shift(self, x):
        zeros = torch.zeros((x.size(0), 1, *x.size()[2:]), device=x.device, dtype=x.dtype)
        padded = torch.cat([zeros, x], dim=1)
        padded = padded.view(x.size(1) + 1, x.size(0), *x.size()[2:])
        return padded[1:].view_as(x)

    def forward(self, tokens):
        x = self.embed(tokens).transpose(0, 1)
        scores = torch.einsum("inc,jc->ijn", self.query(x), self.relative[-2 * x.size(0) :])
        scores = self._shift(scores)[:, : x.size(0)] + torch.einsum("inc,jnc->ijn", self.query(x), x)
        x = torch.einsum("ijn,jnc->inc", torch.softmax(scores, 1), x)
        return self.head(x).permute(1, 2, 0)


class Windows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attention = nn.Conv2d(1, 12, 3, padding=1), nn.MultiheadAttention(12, 2, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, image):
        x = self.stem(image).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        x = x.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        x, _ = self.attention(x, x, x)
        x = x.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return self.head(x).permute(0, 3, 1, 2)


class PatchesByUnfold(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(48, 20), nn.Linear(20, 4)

    def forward(self, image):
        x = F.unfold(image, 4, stride=4)
        n, _, places = x.shape
        x = x.view(n, 3, 16, places).permute(0, 3, 1, 2).reshape(n, places, 48)
        return self.head(self.embed(x).mean(1))


class Capsules(nn.Module):
    """Vectors of eight channels at each place."""

    # loss multi_margin_loss

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv2d(1, 32, 9, 2), nn.Parameter(torch.randn(4 * 100, 8, 30) * 0.01)

    def forward(self, image):
        x = self.conv(image)
        n, _, h, w = x.shape
        x = x.view(n, 4, 8, h, w).permute(0, 1, 3, 4, 2).reshape(n, 4 * h * w, 8)
        x = torch.einsum("nic,ico->no", x, self.weight).view(n, 5, 6)
        return x.norm(dim=-1)


class LatentToMap(nn.Module):
    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode, self.up = (
            nn.Linear(768, 20),
            nn.Linear(20, 16 * 4 * 4),
            nn.ConvTranspose2d(16, 3, 4, 4),
        )

    def forward(self, image):
        x = self.encode(image.flatten(1))
        return self.up(self.decode(x).view(-1, 16, 4, 4))


class AnchorsOfDetector(nn.Module):
    """Boxes and classes of every anchor at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 3 * 7, 1)

    def forward(self, image):
        x = self.head(self.conv(image))
        n, _, h, w = x.shape
        return x.view(n, 3, 7, h, w).permute(0, 2, 1, 3, 4).reshape(n, 7, 3 * h * w)


class SelfAttentionOfMaps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 16, 3, 2), nn.Linear(16, 4)
        self.query, self.key, self.value = nn.Conv2d(16, 4, 1), nn.Conv2d(16, 4, 1), nn.Conv2d(16, 16, 1)

    def forward(self, image):
        x = self.conv(image)
        n, c, h, w = x.shape
        query, key = self.query(x).view(n, -1, h * w).permute(0, 2, 1), self.key(x).view(n, -1, h * w)
        weights = torch.softmax(torch.bmm(query, key), -1)
        mixed = torch.bmm(self.value(x).view(n, c, h * w), weights.transpose(1, 2)).view(n, c, h, w)
        return self.head((x + mixed).mean((2, 3)))


class HiddenOfBothDirections(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 12), nn.Linear(32, 4)
        self.rnn = nn.GRU(12, 8, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, tokens):
        _, hidden = self.rnn(self.embed(tokens))
        layers = hidden.view(2, 2, tokens.size(0), 8).permute(2, 0, 1, 3)
        return self.head(layers.reshape(tokens.size(0), -1))


class CropsAveraged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        )

    def forward(self, x):
        n, crops, c, h, w = x.size()
        return self.net(x.view(-1, c, h, w)).view(n, crops, -1).mean(1)


class StepsDistributed(nn.Module):
    """Keras' TimeDistributed, and time first from there on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.head = nn.Conv2d(1, 8, 3, 2), nn.LSTM(8, 12), nn.Linear(12, 6)

    def forward(self, video):
        n, t = video.shape[:2]
        x = self.conv(video.reshape(n * t, *video.shape[2:])).mean((2, 3)).view(n, t, -1).transpose(0, 1)
        return self.head(self.rnn(x)[0][-1])


class TimeFirstLanguageModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(40, 16), nn.LSTM(16, 16), nn.Linear(16, 40)

    def forward(self, tokens):
        return self.head(self.rnn(self.embed(tokens))[0]).view(-1, 40)


class OneSentence(nn.Module):
    """No batch at all, as in many a tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(40, 16), nn.LSTM(16, 12), nn.Linear(12, 9)

    def forward(self, sentence):
        x, _ = self.rnn(self.embed(sentence).view(len(sentence), 1, -1))
        return F.log_softmax(self.head(x.view(len(sentence), -1)), dim=1)


class TimeFirstPooling(nn.Module):
    """(T, N, F): attention over the first axis, which is time."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score, self.head = nn.GRU(6, 8), nn.Linear(8, 1), nn.Linear(8, 4)

    def forward(self, x):
        x, _ = self.rnn(x)
        weights = torch.softmax(self.score(x), dim=0)
        return self.head((weights * x).sum(0))


class BranchesWeighed(nn.Module):
    """Two branches stacked before the batch, and softmax between them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.gate = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 5, padding=2), nn.Linear(8, 16)
        self.head = nn.Linear(8, 4)

    def forward(self, image):
        x = torch.stack([self.one(image), self.two(image)])
        weights = self.gate(x.sum(0).mean((2, 3))).view(-1, 2, 8).transpose(0, 1)
        weights = torch.softmax(weights, dim=0)
        return self.head((x * weights[..., None, None]).sum(0).mean((2, 3)))


class InstancesOfABag(nn.Module):
    """Multiple instance learning: the first axis is one bag."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.score, self.head = nn.Conv2d(1, 8, 3, 2), nn.Linear(8, 1), nn.Linear(8, 2)

    def forward(self, instances):
        x = self.conv(instances).mean((2, 3))
        weights = torch.softmax(self.score(x).transpose(0, 1), dim=1)
        return self.head(weights @ x)


class MeanOfABag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 8, 3, 2), nn.Linear(8, 3)

    def forward(self, instances):
        return self.head(self.conv(instances).mean((2, 3))).mean(0, keepdim=True)


class GraphOfNodes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(20, 8), nn.Linear(8, 4)

    def forward(self, x, adjacency):
        x = F.relu(adjacency @ self.one(x))
        x = x - x.mean(dim=0, keepdim=True)
        return F.log_softmax(adjacency @ self.two(x), dim=1)


class GraphAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.score, self.head = nn.Linear(20, 8), nn.Linear(16, 1), nn.Linear(8, 4)

    def forward(self, x, adjacency):
        x = self.body(x)
        n = x.size(0)
        pairs = torch.cat([x.repeat(1, n).view(n * n, -1), x.repeat(n, 1)], 1).view(n, n, -1)
        scores = F.leaky_relu(self.score(pairs).squeeze(2)).masked_fill(adjacency <= 0, -9e15)
        return self.head(torch.softmax(scores, dim=1) @ x)


class GraphReadout(nn.Module):
    """One graph a call: a gate over its nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.gate, self.head = nn.Linear(20, 8), nn.Linear(8, 1), nn.Linear(8, 4)

    def forward(self, x, adjacency):
        x = F.relu(adjacency @ self.body(x))
        return self.head((torch.softmax(self.gate(x), dim=0) * x).sum(0, keepdim=True))


class PairsOfABatch(nn.Module):
    """Contrastive: every sample against every other."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = nn.Linear(20, 8), nn.Linear(13, 8)

    def forward(self, image, text):
        image, text = F.normalize(self.image(image), dim=-1), F.normalize(self.text(text), dim=-1)
        return 10 * image @ text.t()


class SpreadOfABatch(nn.Module):
    """A critic that is told how different the samples are."""

    # loss binary_cross_entropy_with_logits

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, 2), nn.Linear(9, 1)

    def forward(self, image):
        x = self.conv(image)
        spread = x.std(0, unbiased=False).mean().expand(x.size(0), 1, *x.shape[2:])
        return self.head(torch.cat([x, spread], 1).mean((2, 3)))


class StatisticsOfABatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)
        self.head = nn.Linear(8, 4)

    def forward(self, image):
        x = F.relu(self.norm(self.conv(image)))
        n, c, h, w = x.shape
        return self.head(x.view(n, c, h * w).mean(2))


class SlotsCompete(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.slots = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.randn(5, 16))
        self.head = nn.Linear(16, 4)

    def forward(self, image):
        x = self.patch(image).flatten(2).transpose(1, 2)
        weights = torch.softmax(self.slots @ x.transpose(1, 2), dim=1)
        weights = weights / weights.sum(-1, keepdim=True)
        return self.head(weights @ x).mean(1)


class OneContext(nn.Module):
    """Cross attention to a single vector: constant weights, as built."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.context, self.head = nn.Embedding(40, 16), nn.Linear(10, 16), nn.Linear(16, 9)

    def forward(self, tokens, features):
        x, context = self.embed(tokens), self.context(features).unsqueeze(1)
        weights = torch.softmax(x @ context.transpose(1, 2), dim=-1)
        return self.head(x + weights @ context).transpose(1, 2)


class MixOfLayers(nn.Module):
    """Learnt weights of layers: softmax over a parameter's first axis."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.weights, self.head = nn.Embedding(40, 16), nn.Parameter(torch.zeros(3)), nn.Linear(16, 4)
        self.layers = nn.ModuleList([nn.Linear(16, 16) for _ in range(3)])

    def forward(self, tokens):
        x, seen = self.embed(tokens), []
        for layer in self.layers:
            x = torch.tanh(layer(x))
            seen.append(x)
        return self.head((torch.stack(seen, -1) * self.weights.softmax(0)).sum(-1).mean(1))


class ZeroAtFirst(nn.Module):
    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, image):
        return self.out(F.relu(self.conv(image)))


class DeadUnits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(13, 8), nn.Linear(8, 3)
        nn.init.constant_(self.body.bias, -100.0)

    def forward(self, x):
        return self.head(F.relu(self.body(x)))


class StraightThrough(nn.Module):
    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.codes, self.decode = (
            nn.Conv2d(3, 8, 4, 4),
            nn.Embedding(16, 8),
            nn.ConvTranspose2d(8, 3, 4, 4),
        )

    def forward(self, image):
        x = self.encode(image).permute(0, 2, 3, 1)
        distance = (x.reshape(-1, 8).unsqueeze(1) - self.codes.weight).pow(2).sum(-1)
        found = self.codes(distance.argmin(1)).view(x.shape)
        return self.decode((x + (found - x).detach()).permute(0, 3, 1, 2))


class FrozenBody(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, image):
        with torch.no_grad():
            x = self.body(image)
        return self.head(x.mean((2, 3)))


class SqueezedRight(nn.Module):
    # loss binary_cross_entropy_with_logits

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x):
        _, (hidden, _) = self.rnn(x)
        return self.head(hidden.squeeze(0)).squeeze(-1)


class SortedByLength(nn.Module):
    """The longest first, and back to where they were."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(40, 16), nn.GRU(16, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, tokens):
        order = torch.argsort((tokens > 0).sum(1), descending=True)
        _, hidden = self.rnn(self.embed(tokens[order]))
        return self.head(hidden[0][torch.argsort(order)])


class CodeOfAxes(nn.Module):
    """Coordinate attention: pooled along height and along width, joined and cut again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.join = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, image):
        x = self.conv(image)
        _, _, h, w = x.shape
        joined = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], 2)
        high, wide = self.join(joined).split([h, w], 2)
        return self.head((x * high.sigmoid() * wide.transpose(2, 3).sigmoid()).mean((2, 3)))


class ChunksOfTime(nn.Module):
    """Dual path: time folded into chunks, read within and across, and unfolded."""

    # loss mse_loss

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Conv1d(1, 8, 4, 2), nn.ConvTranspose1d(8, 1, 4, 2)
        self.inner, self.outer = nn.GRU(8, 8, batch_first=True), nn.GRU(8, 8, batch_first=True)

    def forward(self, audio):
        x = self.encode(audio)
        n, c, t = x.shape
        x = F.pad(x, (0, -t % 5)).view(n, c, -1, 5)
        s = x.size(2)
        x = x.permute(0, 2, 3, 1).reshape(n * s, 5, c)
        x = self.inner(x)[0].view(n, s, 5, c).transpose(1, 2).reshape(n * 5, s, c)
        x = self.outer(x)[0].view(n, 5, s, c).permute(0, 3, 2, 1).reshape(n, c, s * 5)
        return self.decode(x[..., :t])


class HandedOver(nn.Module):
    """Through numpy on the way in, which is not part of what is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(13, 4)

    def forward(self, x):
        scaled = torch.from_numpy(x.detach().cpu().numpy() * 2.0)
        return self.head(scaled)


class TaggerByWordTimeFirst(nn.Module):
    # input T,N:int64

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.LSTM(12, 8), nn.Linear(8, 9)

    def forward(self, tokens):
        return self.head(self.rnn(self.embed(tokens))[0]).permute(1, 2, 0)


class TaggerByWordUntold(nn.Module):
    """Without names it may run time first."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.LSTM(12, 8), nn.Linear(8, 9)

    def forward(self, tokens):
        return self.head(self.rnn(self.embed(tokens))[0])


class LastStepTimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(50, 12), nn.LSTM(12, 8), nn.Linear(8, 4)

    def forward(self, tokens):
        return self.head(self.rnn(self.embed(tokens))[0][-1])


class MeanOfMembers(nn.Module):
    """What comes first are the views of each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(13, 8), nn.Linear(8, 4)

    def forward(self, views):
        return self.head(F.relu(self.body(views)).mean(0))


class ClassToken(nn.Module):
    """Time first, and the first step stands for all."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.token, self.head = nn.Embedding(50, 16), nn.Parameter(torch.randn(1, 1, 16)), nn.Linear(16, 4)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32), 1, enable_nested_tensor=False)

    def forward(self, tokens):
        x = self.embed(tokens).transpose(0, 1)
        x = torch.cat([self.token.expand(-1, x.size(1), -1), x])
        return self.head(self.body(x)[0])


class Discriminator(nn.Module):
    """A score for each image of the size it is made for; larger images would give more."""

    # loss binary_cross_entropy_with_logits
    def __init__(self):
        super().__init__()
        self.example_input_array = torch.zeros(5, 3, 16, 16)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 4, 2, 1), nn.ReLU())
        self.score = nn.Conv2d(16, 6, 4)

    def forward(self, image):
        return self.score(self.body(image)).view(-1, 6)


class CapsulesOfFixedImages(nn.Module):
    """Vectors of eight out of a map of one size: which eight is the model's affair."""

    # loss mse_loss
    def __init__(self):
        super().__init__()
        self.conv, self.weights = nn.Conv2d(1, 64, 9, stride=2), nn.Parameter(torch.randn(1, 288, 10, 4, 8))

    def forward(self, image):
        capsules = self.conv(image).view(image.size(0), -1, 8)
        return (self.weights @ capsules[:, :, None, :, None]).squeeze(-1).sum(1).norm(dim=-1)
