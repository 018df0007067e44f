import torch
import torch.nn as nn


class TagModel(nn.Module):
    """Tags of a forum post; several can hold at once."""

    def __init__(self, vocab=100, dim=24, n_tags=9):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.query = nn.Parameter(torch.randn(dim) / dim ** 0.5)
        self.fc = nn.Linear(dim, n_tags)

    def forward(self, post):
        e = self.embedding(post)
        weight = torch.softmax(e @ self.query, dim=1)
        pooled = torch.einsum("nt,ntd->nd", weight, e)
        return self.fc(pooled)


def posts(n=22, t=10):
    words = torch.randint(0, 100, (n, t))
    tags = torch.zeros(n, 9)
    tags.scatter_(1, words[:, :3] % 9, 1.0)
    return words, tags


def f1(probs, tags):
    hit = ((probs > 0.5) & (tags > 0)).sum().item()
    return 2 * hit / max(1, (probs > 0.5).sum().item() + int(tags.sum()))


torch.manual_seed(0)
net = TagModel()
criterion = nn.BCEWithLogitsLoss(reduction="none")
optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
for i in range(20):
    words, tags = posts()
    out = net(words)
    loss = criterion(out, tags).sum(dim=1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("loss", loss.item(), "f1", f1(out.sigmoid(), tags))
