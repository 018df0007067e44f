import argparse
import torch
import torch.nn as nn
from torch.utils.data import TensorDataset, DataLoader


class MLP(nn.Module):
    def __init__(self, in_dim, hid, out_dim):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(in_dim, hid), nn.Linear(hid, hid), nn.Linear(hid, out_dim)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = nn.functional.silu(layer(x))
        return self.layers[-1](x)


def read_table(rows):
    """passenger class, sex, age, fare, survived - one float table, as read from disk"""
    table = torch.rand(rows, 5)
    table[:, 4] = (table[:, 1] + 0.3 * table[:, 0] > 0.6).float()
    return table


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", default=16, type=int)
    parser.add_argument("--epochs", default=5, type=int)
    return parser.parse_args()


def main(args):
    torch.manual_seed(0)
    table = read_table(80)
    x, y = table[:, :4], table[:, 4]
    loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)
    net = MLP(4, args.hidden, 2)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for epoch in range(args.epochs):
        for features, survived in loader:
            logits = net(features)
            loss = criterion(logits, survived)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"Epoch {epoch + 1}/{args.epochs}, loss = {loss.item():.4f}")


if __name__ == "__main__":
    main(get_args())
