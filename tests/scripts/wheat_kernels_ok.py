import csv
import io
import random

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


def fake_csv(rows=84):
    rnd = random.Random(0)
    lines = ["area,perimeter,compactness,length,variety"]
    for i in range(rows):
        k = i % 3
        lines.append(",".join(f"{rnd.gauss(k, 0.4):.3f}" for _ in range(4)) + f",{k + 1}")
    return "\n".join(lines)


class Seeds(Dataset):
    def __init__(self, text):
        self.rows = list(csv.DictReader(io.StringIO(text)))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        row = self.rows[idx]
        x = torch.tensor([float(v) for k, v in row.items() if k != "variety"])
        return x, int(row["variety"]) - 1


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.hidden = nn.Linear(4, 16)
        self.output = nn.Linear(16, 3)
        self.activation = nn.LogSoftmax(dim=1)

    def forward(self, x):
        x = torch.sigmoid(self.hidden(x))
        return self.activation(self.output(x))


def main():
    torch.manual_seed(0)
    net = Net()
    criterion = nn.NLLLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for epoch in range(4):
        for data in DataLoader(Seeds(fake_csv()), batch_size=21, shuffle=True):
            inputs, labels = data
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
        print("[%d] loss: %.3f" % (epoch + 1, loss.item()))


if __name__ == "__main__":
    main()
