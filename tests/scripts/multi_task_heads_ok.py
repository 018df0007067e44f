from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Sample(NamedTuple):
    x: Tensor
    price: Tensor
    kind: Tensor
    sold: Tensor


class Houses(Dataset):
    def __init__(self, n=96):
        g = torch.Generator().manual_seed(0)
        self.x = torch.randn(n, 7, generator=g)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = self.x[i]
        price = x[0] * 2 + x[1] if i % 4 else torch.tensor(float("nan"))
        return Sample(x, price.reshape(1), (x[2] > 0).long() + (x[3] > 0).long(), (x[4] > 0).float())


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(7, 32), nn.GELU())
        self.price, self.kind, self.sold = nn.Linear(32, 1), nn.Linear(32, 3), nn.Linear(32, 1)
        self.log_vars = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        h = self.trunk(x)
        return {"price": self.price(h), "kind": self.kind(h), "sold": self.sold(h).squeeze(1)}


def losses(out, batch):
    known = ~torch.isnan(batch.price)
    return torch.stack([
        nn.functional.mse_loss(out["price"][known], batch.price[known]),
        nn.functional.cross_entropy(out["kind"], batch.kind),
        nn.functional.binary_cross_entropy_with_logits(out["sold"], batch.sold)])


if __name__ == "__main__":
    torch.manual_seed(0)
    model = MultiTask()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(4):
        for batch in DataLoader(Houses(), batch_size=16, shuffle=True):
            parts = losses(model(batch.x), batch)
            loss = (parts * torch.exp(-model.log_vars) + model.log_vars).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, [round(p, 3) for p in parts.tolist()])
