import argparse
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class SentenceEncoder(nn.Module):
    def __init__(self, vocab=70, dim=20):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim, padding_idx=0)
        self.dense = nn.Linear(dim, dim)

    def forward(self, ids):
        mask = (ids != 0).unsqueeze(-1)
        mean = (self.emb(ids) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return torch.tanh(self.dense(mean))


def pairs(n=120, length=8):
    a = torch.randint(1, 70, (n, length))
    label = torch.arange(n) % 2
    b = torch.where(label.bool()[:, None], a.flip(1), torch.randint(1, 70, (n, length)))
    a[:, -2:] *= torch.randint(0, 2, (n, 1))
    return TensorDataset(a, b, label)


def main(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("-b", "--batch", type=int, default=24)
    ap.add_argument("-m", "--margin", type=float, default=0.1)
    opts = ap.parse_args(argv)
    torch.manual_seed(0)
    encoder = SentenceEncoder()
    criterion = nn.CosineEmbeddingLoss(margin=opts.margin)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    for epoch in range(4):
        for a, b, label in DataLoader(pairs(), batch_size=opts.batch):
            loss = criterion(encoder(a), encoder(b), 2 * label - 1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
