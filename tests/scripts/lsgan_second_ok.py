import torch
import torch.nn as nn


class Generator(nn.Module):
    def __init__(self, nz=6):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(nz, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 2))

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))

    def forward(self, x):
        return self.main(x)


def ring(n):
    a = torch.rand(n) * 6.2832
    return torch.stack([a.cos(), a.sin()], dim=1) + 0.02 * torch.randn(n, 2)


torch.manual_seed(999)
netG, netD = Generator(), Discriminator()
adversarial = nn.MSELoss()
optG = torch.optim.Adam(netG.parameters(), lr=2e-3, betas=(0.5, 0.999))
optD = torch.optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
batch = 20
for it in range(20):
    real, z = ring(batch), torch.randn(batch, 6)
    valid = 1 - 0.2 * torch.rand(batch, 1)
    fake = netG(z)

    optD.zero_grad()
    lossD = adversarial(netD(real), valid) + adversarial(netD(fake.detach()), torch.zeros(batch, 1))
    lossD.backward()
    optD.step()

    optG.zero_grad()
    wanted = 1 - 0.2 * torch.rand(batch)
    lossG = adversarial(netD(fake).squeeze(1), wanted)
    lossG.backward()
    optG.step()
print(f"D {lossD.item():.3f} G {lossG.item():.3f}")
