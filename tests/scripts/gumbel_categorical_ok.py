import torch
import torch.nn as nn
import torch.nn.functional as F


class CategoricalVAE(nn.Module):
    def __init__(self, latents=4, categories=6, n_in=36):
        super().__init__()
        self.latents, self.categories = latents, categories
        self.enc = nn.Linear(n_in, latents * categories)
        self.dec = nn.Sequential(nn.Linear(latents * categories, 32), nn.ReLU(), nn.Linear(32, n_in), nn.Sigmoid())

    def forward(self, x, tau):
        logits = self.enc(x).view(-1, self.latents, self.categories)
        z = F.gumbel_softmax(logits, tau=tau, hard=True, dim=-1)
        return self.dec(z.flatten(1)), logits.softmax(dim=-1)


def elbo(recon, x, q, categories):
    bce = F.binary_cross_entropy(recon, x, reduction="sum") / x.size(0)
    kl = (q * (q.clamp(min=1e-10) * categories).log()).sum(dim=(1, 2)).mean()
    return bce + kl


def bars(n):
    picture = torch.zeros(n, 6, 6)
    picture[torch.arange(n), torch.randint(0, 6, (n,))] = 1.0
    return picture.flatten(1)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = CategoricalVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    tau = 1.0
    for step in range(30):
        x = bars(20)
        recon, q = model(x, tau)
        loss = elbo(recon, x, q, model.categories)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tau = max(0.5, tau * 0.98)
    print("elbo", loss.item())
