import random
import torch
from torch import nn
import torch.nn.functional as F


class WideAndDeep(nn.Module):
    def __init__(self, n_users=30, n_ads=20, dim=8):
        super().__init__()
        self.wide = nn.Embedding(n_users, 1)
        self.users, self.ads = nn.Embedding(n_users, dim), nn.Embedding(n_ads, dim)
        self.deep = nn.Sequential(nn.Linear(2 * dim, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, user, ad):
        deep = self.deep(torch.cat([self.users(user), self.ads(ad)], dim=-1))
        return (self.wide(user) + deep).squeeze(-1)


class ClickStream(torch.utils.data.IterableDataset):
    def __init__(self, n, seed):
        self.n, self.seed = n, seed

    def __iter__(self):
        rnd = random.Random(self.seed)
        for _ in range(self.n):
            user, ad = rnd.randrange(30), rnd.randrange(20)
            yield user, ad, float((user + ad) % 3 == 0)


def main():
    torch.manual_seed(0)
    model = WideAndDeep()
    opt = torch.optim.Adagrad(model.parameters(), lr=0.2)
    for epoch in range(4):
        loader = torch.utils.data.DataLoader(ClickStream(120, epoch % 2), batch_size=30)
        for user, ad, click in loader:
            out = model(user, ad)
            loss = F.binary_cross_entropy(out, click.float())
            opt.zero_grad()
            loss.backward()
            opt.step()
        print("epoch", epoch, "logloss", loss.item())


if __name__ == "__main__":
    main()
