"""Image, volume, feature and functional models, none of them annotated."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


class LeNet(nn.Module):
    """Fixed 32 x 32 through view(-1, 400)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 16 * 5 * 5)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class MnistCNN(nn.Module):
    """28 x 28 through flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, 1), nn.Conv2d(32, 64, 3, 1)
        self.fc1, self.fc2 = nn.Linear(9216, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = torch.flatten(x, 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


class OddCNN(nn.Module):
    """100 x 100, not a usual guess."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.MaxPool2d(2))
        self.fc = nn.Linear(8 * 24 * 24, 7)

    def forward(self, x):
        x = self.conv(x)
        return self.fc(x.reshape(x.size(0), -1))


class ResNetLike(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.block = nn.Sequential(
            nn.Conv2d(16, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1)
        )
        self.down = nn.Conv2d(16, 32, 3, 2, 1)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(32, 10)

    def forward(self, x):
        x = self.stem(x)
        x = self.down(F.relu(self.block(x) + x))
        return self.fc(torch.flatten(self.pool(x), 1))


def double(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU(), nn.Conv2d(cout, cout, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    """Halves twice and joins: sizes must divide by four."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.d1, self.d2, self.mid = double(3, 8), double(8, 16), double(16, 32)
        self.u2, self.c2 = nn.ConvTranspose2d(32, 16, 2, 2), double(32, 16)
        self.u1, self.c1 = nn.ConvTranspose2d(16, 8, 2, 2), double(16, 8)
        self.out = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        m = self.mid(F.max_pool2d(b, 2))
        b = self.c2(torch.cat([self.u2(m), b], 1))
        return self.out(self.c1(torch.cat([self.u1(b), a], 1)))


class PatchViT(nn.Module):
    """Fixed image size through learnt positions."""

    def __init__(self, image_size: int = 48, patch: int = 8, d: int = 16) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, d, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, d))
        self.pos = nn.Parameter(torch.zeros(1, (image_size // patch) ** 2 + 1, d))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 2, 32, batch_first=True), 1)
        self.head = nn.Linear(d, 10)

    def forward(self, img):
        x = self.patch(img).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.size(0), -1, -1), x], 1) + self.pos
        return self.head(self.encoder(x)[:, 0])


class FixedSegmenter(nn.Module):
    """Fixed 32 x 32 in, (N, classes, 32, 32) out through a linear bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, 4, 1), nn.Linear(4 * 8 * 8, 256)
        self.up = nn.ConvTranspose2d(4, 6, 4, 4)

    def forward(self, x):
        x = self.fc(self.conv(x).flatten(1)).view(-1, 4, 8, 8)
        return self.up(x)


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.net(x)


class SqueezingMLP(MLP):
    def forward(self, x):
        return self.net(x).squeeze()


class ImageMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 32), nn.Linear(32, 10)

    def forward(self, x):
        return F.softmax(self.fc2(F.relu(self.fc1(x.view(x.size(0), -1)))), dim=1)


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 2, 1))
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.mu, self.var = nn.Linear(784, 40), nn.Linear(40, 20), nn.Linear(40, 20)
        self.fc3, self.fc4 = nn.Linear(20, 40), nn.Linear(40, 784)

    def forward(self, x):
        h = F.relu(self.fc1(x.view(-1, 784)))
        mu, logvar = self.mu(h), self.var(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


class Conv3dNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 3, 3, padding=1)

    def forward(self, volume):
        return self.b(F.relu(self.a(volume)))


class Conv3dClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(3, 8, 3), nn.MaxPool3d(2), nn.Conv3d(8, 8, 3), nn.AdaptiveAvgPool3d(1))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


class TwoBranches(nn.Module):
    """An image and a vector of metadata."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.meta = nn.Linear(6, 8)
        self.fc = nn.Linear(16, 3)

    def forward(self, image, meta):
        return self.fc(torch.cat([self.cnn(image), self.meta(meta)], 1))


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16)
        )

    def forward(self, x1, x2):
        return F.pairwise_distance(self.net(x1), self.net(x2))


class Recommender(nn.Module):
    """Two id vectors of different ranges to one score each."""

    def __init__(self) -> None:
        super().__init__()
        self.u, self.i = nn.Embedding(20, 8), nn.Embedding(33, 8)

    def forward(self, user, item):
        return (self.u(user) * self.i(item)).sum(-1)


class Denoiser(nn.Module):
    """x and a time step."""

    def __init__(self) -> None:
        super().__init__()
        self.inp, self.time, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(16, 8), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x, t):
        freqs = torch.exp(torch.arange(8) * -1.0)
        emb = t[:, None].float() * freqs[None]
        emb = self.time(torch.cat([emb.sin(), emb.cos()], -1))
        return self.out(F.relu(self.inp(x) + emb[:, :, None, None]))


@dataclass
class Result:
    features: torch.Tensor
    logits: torch.Tensor


class DataclassOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = self.a(x)
        return Result(h, self.b(h))


Pair = namedtuple("Pair", "coarse fine")


class AmbiguousOutput(DataclassOutput):
    def forward(self, x):
        h = self.a(x)
        return Pair(h, self.b(h))


class ScalarOutput(DataclassOutput):
    def forward(self, x):
        return self.b(self.a(x)).pow(2).mean()


class DictOutput(DataclassOutput):
    def forward(self, x):
        h = self.a(x)
        return {"aux": {"hidden": h}, "pred": self.b(h)}


class OneHotLinear(nn.Module):
    """No layers: one-hot and a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, 7))

    def forward(self, x):
        return F.one_hot(x, 12).float() @ self.weight


class LeftMatrix(nn.Module):
    """No layers: the parameter stands on the left."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(7, 12))

    def forward(self, x):
        return self.weight @ x


class FunctionalConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 4, 3))

    def forward(self, x):
        return F.conv1d(x, self.kernel)


class DetachedHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(x).detach()


class NoGradHead(DetachedHead):
    def forward(self, x):
        with torch.no_grad():
            y = self.fc(x)
        return y


class ArgmaxHead(DetachedHead):
    def forward(self, x):
        return self.fc(x).argmax(dim=1)


class LogOfSoftmax(DetachedHead):
    def forward(self, x):
        return torch.log(torch.softmax(self.fc(x), dim=1))


class WrongAxisSoftmax(DetachedHead):
    def forward(self, x):
        return self.fc(x).softmax(0)


class InnerSoftmax(DetachedHead):
    """Softmax on the way, not at the end."""

    def forward(self, x):
        return torch.softmax(x, 1) @ self.fc.weight.t()


class Stateful(nn.Module):
    """Caches, counts, appends and writes to a buffer in place."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)
        self.register_buffer("running", torch.zeros(6))
        self.calls, self.history, self.cache = 0, [], None

    def forward(self, x):
        self.calls += 1
        self.history.append(x)
        self.cache = x
        self.fresh = x
        self.running.mul_(0.9).add_(x.mean(0))
        return self.fc(x + self.running + 0 * torch.rand(1))


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        raise RuntimeError("no such thing as an input")
