import torch
import torch.nn as nn
import torch.nn.functional as F

GENRES = ("rock", "jazz", "folk", "metal", "pop", "classical")


class GenreClassifier(nn.Module):
    def __init__(self, n_mfcc=13, channels=24):
        super(GenreClassifier, self).__init__()
        self.conv = nn.Conv1d(n_mfcc, channels, kernel_size=5, padding=2)
        self.attention = nn.Linear(channels, 1)
        self.fc = nn.Linear(channels, len(GENRES))

    def forward(self, mfcc):
        h = F.relu(self.conv(mfcc)).transpose(1, 2)
        w = torch.softmax(self.attention(h), dim=1)
        return self.fc((w * h).sum(dim=1))


def songs(count):
    genre = torch.arange(count) % len(GENRES)
    mfcc = torch.randn(count, 13, 30) * 0.5
    mfcc[torch.arange(count), genre] += 1.0
    return mfcc, F.one_hot(genre, len(GENRES))


def train_step(model, batch, criterion, optimizer):
    mfcc, target = batch
    optimizer.zero_grad()
    output = model(mfcc)
    loss = criterion(output, target)
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    torch.manual_seed(0)
    model = GenreClassifier()
    mfcc, target = songs(60)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(4):
        for part in torch.randperm(60).chunk(4):
            value = train_step(model, (mfcc[part], target[part]), criterion, optimizer)
        print(f"{epoch}: {value:.3f}")


if __name__ == "__main__":
    main()
