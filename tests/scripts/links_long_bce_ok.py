import torch
import torch.nn as nn


class GCNLayer(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.lin = nn.Linear(cin, cout)

    def forward(self, x, edge_index):
        src, dst = edge_index
        out = torch.zeros(x.size(0), self.lin.out_features).index_add_(0, dst, self.lin(x)[src])
        degree = torch.zeros(x.size(0)).index_add_(0, dst, torch.ones(len(dst))).clamp(min=1)
        return out / degree.unsqueeze(1)


class LinkPredictor(nn.Module):
    def __init__(self, features=10, dim=16):
        super().__init__()
        self.conv1, self.conv2 = GCNLayer(features, dim), GCNLayer(dim, dim)

    def forward(self, x, edge_index, pairs):
        z = self.conv2(torch.relu(self.conv1(x, edge_index)), edge_index)
        return (z[pairs[0]] * z[pairs[1]]).sum(dim=-1)


def two_communities(n=40):
    side = torch.arange(n) % 2
    p = torch.where(side[:, None] == side[None], 0.4, 0.05)
    edges = (torch.rand(n, n) < p).nonzero().t()
    return torch.randn(n, 10) + 2 * side[:, None], edges


def main():
    torch.manual_seed(0)
    x, edges = two_communities()
    model = LinkPredictor()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(20):
        negatives = torch.randint(0, 40, (2, edges.size(1)))
        pairs = torch.cat([edges, negatives], dim=1)
        labels = torch.cat([torch.ones(edges.size(1)), torch.zeros(edges.size(1))])
        loss = criterion(model(x, edges, pairs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("link loss", loss.item())


if __name__ == "__main__":
    main()
