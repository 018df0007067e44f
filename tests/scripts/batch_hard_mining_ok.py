import torch
import torch.nn as nn


class Embedder(nn.Module):
    def __init__(self, dim=12):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 32), nn.PReLU(), nn.Linear(32, dim))

    def forward(self, x):
        return nn.functional.normalize(self.layers(x), p=2, dim=1)


@torch.no_grad()
def mine(embeddings, labels):
    """hardest positive and hardest negative for every anchor"""
    distance = torch.cdist(embeddings, embeddings)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    hardest_positive = (distance - 1e6 * (~same)).argmax(dim=1)
    hardest_negative = (distance + 1e6 * same).argmin(dim=1)
    return hardest_positive, hardest_negative


def pk_batch(p=4, k=4):
    labels = torch.arange(p).repeat_interleave(k)
    centres = torch.randn(p, 10, generator=torch.Generator().manual_seed(1))
    return centres[labels] + 0.6 * torch.randn(p * k, 10), labels


torch.manual_seed(0)
model = Embedder()
loss_fn = nn.TripletMarginLoss(margin=0.3)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(25):
    x, labels = pk_batch()
    embeddings = model(x)
    pos, neg = mine(embeddings, labels)
    loss = loss_fn(embeddings, embeddings[pos], embeddings[neg])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("batch hard", loss.item())
