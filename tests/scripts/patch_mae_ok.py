import torch
import torch.nn as nn
import torch.nn.functional as F

P = 4


def patchify(images):
    n, c, h, w = images.shape
    x = images.reshape(n, c, h // P, P, w // P, P)
    return torch.einsum("nchpwq->nhwpqc", x).reshape(n, (h // P) * (w // P), P * P * c)


class MAE(nn.Module):
    def __init__(self, dim=32, patches=16, channels=1):
        super().__init__()
        self.embed = nn.Linear(P * P * channels, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.pos = nn.Parameter(torch.randn(patches, dim) * 0.1)
        self.encoder = nn.TransformerEncoderLayer(dim, 4, 64, 0.0, batch_first=True)
        self.decode = nn.Linear(dim, P * P * channels)

    def forward(self, images, hidden):
        x = self.embed(patchify(images))
        x = torch.where(hidden.unsqueeze(-1), self.mask_token, x) + self.pos
        return self.decode(self.encoder(x))


def main():
    torch.manual_seed(0)
    model = MAE()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(20):
        images = torch.sin(torch.arange(16.0) * torch.rand(16, 1, 1, 1) * 2).expand(16, 1, 16, 16)
        hidden = torch.rand(16, 16) < 0.5
        prediction = model(images, hidden)
        target = patchify(images)
        target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-2).sqrt()
        per_patch = F.mse_loss(prediction, target, reduction="none").mean(dim=-1)
        loss = (per_patch * hidden).sum() / hidden.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("mae", loss.item())


if __name__ == "__main__":
    main()
