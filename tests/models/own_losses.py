"""Losses as people write them, with the models they go with: right ones, and ones with the usual mistakes."""

import sys

import torch
import torch.nn.functional as F
from torch import nn


class Segmenter(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        return self.head(self.body(x).relu())


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(13, 8)

    def forward(self, x):
        return self.net(x)


class Price(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(13, 1)

    def forward(self, x):
        return self.net(x)


# ------------------------------------------------------------------------------------------- right ones


def dice(logits, target, smooth: float = 1.0):
    assert logits.shape == target.shape, f"dice wants one-hot rows: {tuple(logits.shape)} against {tuple(target.shape)}"
    probabilities = logits.softmax(1)
    both = (probabilities * target).flatten(2).sum(-1)
    total = (probabilities + target).flatten(2).sum(-1)
    return 1 - ((2 * both + smooth) / (total + smooth)).mean()


class DiceOfIndices(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        return dice(logits, F.one_hot(target, logits.size(1)).movedim(-1, 1).float(), self.smooth)


def binary_dice(logits, target):
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)


def focal(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


def smoothed(logits, labels, eps=0.1):
    scores = F.log_softmax(logits, dim=-1)
    nll = -scores.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return ((1 - eps) * nll - eps * scores.mean(-1)).mean()


def mse(pred, y):
    return ((pred - y) ** 2).mean()


def ranking(scores, y):
    scores, y = scores.view(-1), y.view(-1)
    wrong = F.softplus(scores[None, :] - scores[:, None])
    order = (y[:, None] > y[None, :]).float()
    return (wrong * order).sum() / order.sum().clamp(min=1)


def contrastive(embeddings, labels, temperature=0.5):
    unit = F.normalize(embeddings, dim=1)
    self = torch.eye(len(unit), dtype=torch.bool)
    scores = (unit @ unit.t() / temperature).masked_fill(self, -1e9).log_softmax(1)
    same = (labels[:, None] == labels[None, :]) & ~self
    return -(scores * same).sum() / same.sum().clamp(min=1)


class Center(nn.Module):
    def __init__(self, classes=10, size=8):
        super().__init__()
        self.centers = nn.Parameter(torch.randn(classes, size))
        self.calls = 0

    def forward(self, x, labels):
        self.calls += 1
        return ((x - self.centers[labels]) ** 2).sum(1).mean()


def speech(logits, labels):
    n, t = logits.shape[:2]
    return F.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1), labels, torch.full((n,), t), torch.full((n,), labels.size(1))
    )


def next_token(logits, ids):
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), ids[:, 1:].reshape(-1))


def views(embeddings, labels):
    one, other = embeddings.chunk(2)
    same = labels.chunk(2)[0] == labels.chunk(2)[1]
    distance = (one - other).norm(dim=1)
    return torch.where(same, distance, (2 - distance).clamp(min=0)).mean()


def masked(pred, y):
    mask = y > 0
    return ((pred - y)[mask] ** 2).sum() / mask.sum().clamp(min=1)


def hard_examples(logits, target):
    return F.cross_entropy(logits, target, reduction="none").flatten().topk(2).values.mean()


def in_a_dict(pred, y):
    return {"squares": ((pred - y) ** 2).mean(), "loss": (pred - y).abs().mean()}


def as_keras(y_true, y_pred):
    return -y_pred.log_softmax(1).gather(1, y_true[:, None]).mean()


criterion = nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.ones(4))


# ------------------------------------------------------------------------------------------- mistakes


def flattened(logits, target):
    return F.cross_entropy(logits.reshape(-1, logits.size(1)), target.reshape(-1))


def of_probabilities(p, y):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


def accuracy(logits, target):
    return (logits.argmax(1) != target).float().mean()


def saturated(pred, y):
    return ((pred - y).abs() * 0).mean()


def as_number(pred, y):
    return ((pred - y) ** 2).mean().item()


def forgets_return(pred, y):
    ((pred - y) ** 2).mean()


def per_element(pred, y):
    return (pred - y) ** 2


def all_but_last(pred, y):
    return ((pred[:-1] - y[:-1]) ** 2).mean()


def without_target(pred, y):
    return (pred**2).mean()


def misspelt(pred, y):
    return torh.mean((pred - y) ** 2)  # noqa: F821


class BackwardRaises(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no way back")


def one_way(pred, y):
    return ((BackwardRaises.apply(pred) - y) ** 2).mean()


def writes(pred, y):
    y[y == 1] = 0.5
    return ((pred - y) ** 2).mean()


def prints_and_exits(pred, y):
    print("leaving")
    sys.exit(4)


def loops(pred, y):
    while True:
        pass


def on_gpu(pred, y):
    return ((pred - y.cuda()) ** 2).mean()


def of_three(pred, y, mask):
    return ((pred - y) ** 2 * mask).mean()


def of_one(batch):
    return batch.sum()


class Unbuilt(nn.Module):
    def __init__(self, classes):
        super().__init__()


number = 3
