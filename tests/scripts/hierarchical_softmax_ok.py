import torch
import torch.nn as nn
import torch.nn.functional as F

PARENT = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2])


class TwoLevel(nn.Module):
    """log p(leaf) = log p(parent) + log p(leaf | parent)"""

    def __init__(self, n_in=12):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, 32), nn.ReLU())
        self.parents = nn.Linear(32, 3)
        self.leaves = nn.Linear(32, len(PARENT))

    def forward(self, x):
        h = self.body(x)
        parent = F.log_softmax(self.parents(h), dim=1)
        scores = self.leaves(h)
        leaf = torch.empty_like(scores)
        for k in range(3):
            leaf[:, PARENT == k] = F.log_softmax(scores[:, PARENT == k], dim=1)
        return parent[:, PARENT] + leaf, parent


def products(n=27):
    leaf = torch.randint(0, len(PARENT), (n,))
    return 0.5 * torch.randn(n, 12) + F.one_hot(leaf, 12), leaf


def main():
    torch.manual_seed(0)
    model = TwoLevel()
    nll = nn.NLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(25):
        x, leaf = products()
        leaf_logp, parent_logp = model(x)
        loss = nll(leaf_logp, leaf) + 0.3 * nll(parent_logp, PARENT[leaf])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("nll", loss.item(), "sums to", leaf_logp.exp().sum(1).mean().item())


if __name__ == "__main__":
    main()
