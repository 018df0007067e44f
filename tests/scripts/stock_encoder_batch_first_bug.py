import torch
import torch.nn as nn
import torch.nn.functional as F


class ReturnForecaster(nn.Module):
    def __init__(self, n_features=4, d_model=16):
        super().__init__()
        self.inp = nn.Linear(n_features, d_model)
        self.day = nn.Parameter(torch.zeros(1, 30, d_model))
        layer = nn.TransformerEncoderLayer(d_model, 2, dim_feedforward=32, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.out = nn.Linear(d_model, 1)

    def forward(self, history):
        x = self.inp(history) + self.day[:, : history.size(1)]
        x = self.encoder(x)
        return self.out(x.mean(dim=1)).squeeze(-1)


class Market:
    def __init__(self, seed=0):
        self.g = torch.Generator().manual_seed(seed)

    def sample(self, n=32, days=11):
        history = torch.randn(n, days, 4, generator=self.g)
        return history, history[:, :, 0].mean(dim=1) * 3


if __name__ == "__main__":
    torch.manual_seed(0)
    market, model = Market(), ReturnForecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)
    for step in range(25):
        history, ret = market.sample()
        loss = F.mse_loss(model(history), ret)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        warmup.step()
    print("mse", loss.item())
