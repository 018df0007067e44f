import torch
import torch.nn as nn
from types import SimpleNamespace

cfg = SimpleNamespace(squares=9, symbols=9, width=40, lr=4e-3, iters=20, batch=25, seed=123)


class SquareMixer(nn.Module):
    """Fills in a 3x3 block: each square attends to all squares."""

    def __init__(self, cfg):
        super().__init__()
        self.symbol = nn.Embedding(cfg.symbols + 1, cfg.width)
        self.square = nn.Parameter(torch.randn(cfg.squares, cfg.width) * 0.1)
        self.attend = nn.MultiheadAttention(cfg.width, 4, batch_first=True)
        self.ff = nn.Sequential(nn.LayerNorm(cfg.width), nn.Linear(cfg.width, 80), nn.SiLU(), nn.Linear(80, cfg.width))
        self.to_symbol = nn.Linear(cfg.width, cfg.symbols)

    def forward(self, board):
        x = self.symbol(board) + self.square
        y, _ = self.attend(x, x, x, need_weights=False)
        x = x + y
        x = x + self.ff(x)
        return self.to_symbol(x)


def sample(n):
    solved = torch.stack([torch.randperm(cfg.symbols) for _ in range(n)])
    puzzle = solved + 1
    puzzle[torch.rand(n, cfg.squares) < 0.15] = 0
    return puzzle, solved


def main():
    torch.manual_seed(cfg.seed)
    model = SquareMixer(cfg)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr)
    ema = None
    for it in range(cfg.iters):
        puzzle, solved = sample(cfg.batch)
        prediction = model(puzzle)
        loss = criterion(prediction, solved)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        ema = loss.item() if ema is None else 0.9 * ema + 0.1 * loss.item()
    print("smoothed loss", ema)


main()
