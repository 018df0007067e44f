import torch
import torch.nn as nn
import torch.nn.functional as F


class Forecaster(nn.Module):
    def __init__(self, hidden=20):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, history):
        out, (h_n, c_n) = self.lstm(history)
        return self.linear(h_n[-1])


def sliding_windows(series, length):
    windows = series.unfold(0, length + 1, 1)
    return windows[:, :-1].unsqueeze(-1), windows[:, -1]


torch.manual_seed(4)
t = torch.arange(200, dtype=torch.float32)
series = torch.sin(t / 6) + 0.5 * torch.sin(t / 17) + 0.05 * torch.randn(200)
X, y = sliding_windows(series, 12)
n_train = 150
model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
accumulate = 2

for epoch in range(5):
    order = torch.randperm(n_train)
    optimizer.zero_grad()
    for k, idx in enumerate(order.split(25)):
        forecast = model(X[idx])
        loss = F.huber_loss(forecast.squeeze(-1), y[idx], delta=0.5) / accumulate
        loss.backward()
        if (k + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        val = (model(X[n_train:])[:, 0] - y[n_train:]).pow(2).mean().sqrt()
    print(f"[{epoch}] rmse {val.item():.3f}")
