import torch
import torch.nn as nn
import torch.nn.functional as F


class VectorQuantizer(nn.Module):
    def __init__(self, num=16, dim=8, beta=0.25):
        super().__init__()
        self.codebook = nn.Embedding(num, dim)
        nn.init.uniform_(self.codebook.weight, -0.5, 0.5)
        self.beta = beta

    def forward(self, z):
        z = z.permute(0, 2, 3, 1).contiguous()
        flat = z.view(-1, z.size(-1))
        distance = torch.cdist(flat, self.codebook.weight)
        q = self.codebook(distance.argmin(dim=1)).view_as(z)
        loss = F.mse_loss(q, z.detach()) + self.beta * F.mse_loss(q.detach(), z)
        q = z + (q - z).detach()
        return q.permute(0, 3, 1, 2), loss


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 8, 1))
        self.quantizer = VectorQuantizer()
        self.decoder = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1))

    def forward(self, x):
        quantized, vq_loss = self.quantizer(self.encoder(x))
        return self.decoder(quantized), vq_loss


torch.manual_seed(0)
model = VQVAE()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
base = torch.sin(torch.arange(12.0) / 2)
for step in range(20):
    shift = torch.rand(10, 1, 1, 1)
    x = (base.view(1, 1, 12, 1) * base.view(1, 1, 1, 12)) * shift
    recon, vq_loss = model(x)
    recon_loss = F.mse_loss(recon, x)
    loss = recon_loss + vq_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("recon", recon_loss.item(), "vq", vq_loss.item())
