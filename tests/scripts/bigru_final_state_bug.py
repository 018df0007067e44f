import random
import torch
import torch.nn as nn
from torch.utils.data import DataLoader


class SpamGRU(nn.Module):
    def __init__(self, n_chars=64, hidden=18):
        super().__init__()
        self.hidden = hidden
        self.emb = nn.Embedding(n_chars, 12)
        self.gru = nn.GRU(12, hidden, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(hidden * 2, 1)

    def forward(self, message):
        _, h = self.gru(self.emb(message))
        h = h.view(message.size(0), -1)
        return self.fc(h).squeeze(1)


def messages(n):
    data = []
    for i in range(n):
        spam = i % 2
        chars = torch.randint(0, 32, (11,)) + 32 * spam
        data.append((chars, torch.tensor(float(spam))))
    random.shuffle(data)
    return data


def main():
    random.seed(1)
    torch.manual_seed(1)
    loader = DataLoader(messages(104), batch_size=26)
    model = SpamGRU()
    bce = nn.BCEWithLogitsLoss()
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(5):
        correct = 0
        for chars, spam in loader:
            logit = model(chars)
            loss = bce(logit, spam)
            opt.zero_grad()
            loss.backward()
            opt.step()
            correct += ((logit > 0) == spam.bool()).sum().item()
        print("epoch", epoch, "acc", correct / 104)


if __name__ == "__main__":
    main()
