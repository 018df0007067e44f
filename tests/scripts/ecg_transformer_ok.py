import math
import torch
from torch import nn, optim

SEED = 7
N_CLASSES = 5
WINDOW = 60
PATCH = 6


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=64):
        super().__init__()
        pos = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(pos * div)
        pe[:, 1::2] = torch.cos(pos * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class ECGTransformer(nn.Module):
    def __init__(self, d_model=32, nhead=4, num_layers=2):
        super().__init__()
        self.patch = nn.Conv1d(2, d_model, PATCH, stride=PATCH)
        self.cls = nn.Parameter(torch.zeros(1, 1, d_model))
        self.pos = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers)
        self.head = nn.Linear(d_model, N_CLASSES)

    def forward(self, signal):
        tokens = self.patch(signal).transpose(1, 2)
        cls = self.cls.expand(tokens.size(0), -1, -1)
        h = self.encoder(self.pos(torch.cat([cls, tokens], dim=1)))
        return self.head(h[:, 0])


def batches(count, size=14):
    for _ in range(count):
        y = torch.randint(0, N_CLASSES, (size,))
        t = torch.linspace(0, 1, WINDOW)
        wave = torch.sin(2 * math.pi * (y[:, None] + 1) * t)
        yield torch.stack([wave, wave.roll(5, 1)], 1) + 0.1 * torch.randn(size, 2, WINDOW), y


torch.manual_seed(SEED)
net = ECGTransformer()
opt = optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
sched = optim.lr_scheduler.OneCycleLR(opt, max_lr=2e-3, total_steps=12)
loss_fn = nn.CrossEntropyLoss(label_smoothing=0.05)
for i, (signal, rhythm) in enumerate(batches(12)):
    logits = net(signal)
    loss = loss_fn(logits, rhythm)
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
print("final", round(loss.item(), 4))
