import torch
import torch.nn as nn


class VAE(nn.Module):
    def __init__(self, in_channels: int, latent_dim: int, hidden_dims: list = None):
        super().__init__()
        hidden_dims = hidden_dims or [32, 64]
        layers, c = [], in_channels
        for h in hidden_dims:
            layers += [nn.Conv2d(c, h, 3, 2, 1), nn.LeakyReLU()]
            c = h
        self.encoder = nn.Sequential(*layers)
        self.fc_mu = nn.Linear(c, latent_dim)
        self.dec = nn.Linear(latent_dim, in_channels * 64)

    def forward(self, x):
        mu = self.fc_mu(self.encoder(x).mean((2, 3)))
        return self.dec(mu)
