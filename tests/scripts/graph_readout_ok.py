import torch
import torch.nn as nn
import torch.nn.functional as F
from types import SimpleNamespace


def scatter_sum(src, index, size):
    return src.new_zeros(size, src.size(-1)).index_add_(0, index, src)


class GIN(nn.Module):
    def __init__(self, n_features=6, dim=24, n_classes=2):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(2))
        self.mlps = nn.ModuleList([
            nn.Sequential(nn.Linear(n_features if k == 0 else dim, dim), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, dim))
            for k in range(2)])
        self.head = nn.Linear(dim, n_classes)

    def forward(self, data):
        x = data.x
        src, dst = data.edge_index
        for eps, mlp in zip(self.eps, self.mlps):
            x = F.relu(mlp((1 + eps) * x + scatter_sum(x[src], dst, x.size(0))))
        return self.head(scatter_sum(x, data.batch, data.num_graphs))


def collate(n_graphs=14):
    xs, edges, batch, ys, start = [], [], [], [], 0
    for i in range(n_graphs):
        nodes = int(torch.randint(4, 9, ()))
        ring = torch.arange(nodes)
        y = i % 2
        link = torch.stack([ring, ring.roll(1)]) if y else torch.stack([ring, torch.zeros_like(ring)])
        edges.append(torch.cat([link, link.flip(0)], dim=1) + start)
        xs.append(torch.rand(nodes, 6))
        batch.append(torch.full((nodes,), i))
        ys.append(y)
        start += nodes
    return SimpleNamespace(x=torch.cat(xs), edge_index=torch.cat(edges, 1), batch=torch.cat(batch),
                           y=torch.tensor(ys), num_graphs=n_graphs)


def main():
    torch.manual_seed(0)
    model = GIN()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(15):
        data = collate()
        loss = F.cross_entropy(model(data), data.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("graph loss", loss.item())


if __name__ == "__main__":
    main()
