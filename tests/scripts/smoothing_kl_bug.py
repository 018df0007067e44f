import torch
import torch.nn as nn


class LabelSmoothing(nn.Module):
    "Smoothed targets for the vocabulary, padding gets nothing."

    def __init__(self, size, padding_idx, smoothing=0.0):
        super().__init__()
        self.criterion = nn.KLDivLoss(reduction="sum")
        self.padding_idx = padding_idx
        self.confidence = 1.0 - smoothing
        self.smoothing = smoothing
        self.size = size

    def forward(self, x, target):
        dist = torch.full_like(x, self.smoothing / (self.size - 2)).detach()
        dist.scatter_(1, target.unsqueeze(1), self.confidence)
        dist[:, self.padding_idx] = 0
        dist[target == self.padding_idx] = 0
        return self.criterion(x, dist)


class Generator(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.proj = nn.Linear(d_model, vocab)

    def forward(self, x):
        return self.proj(x)


class TinyDecoder(nn.Module):
    def __init__(self, vocab=17, d=24):
        super().__init__()
        self.embed = nn.Embedding(vocab, d)
        self.mix = nn.GRU(d, d, batch_first=True)
        self.generator = Generator(d, vocab)

    def forward(self, tokens):
        return self.generator(self.mix(self.embed(tokens))[0])


def run_epoch(model, criterion, optimizer, nbatches):
    for _ in range(nbatches):
        seq = (torch.arange(10) + torch.randint(0, 12, (13, 1))) % 15 + 1
        seq[::3, 8:] = 0
        out = model(seq[:, :-1])
        y = seq[:, 1:]
        loss = criterion(out.reshape(-1, out.size(-1)), y.reshape(-1)) / (y != 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    model = TinyDecoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.98))
    for epoch in range(4):
        print(epoch, run_epoch(model, LabelSmoothing(17, 0, 0.1), optimizer, 5))
