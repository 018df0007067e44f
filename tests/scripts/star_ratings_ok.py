import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

NUM_STARS = 5


class ReviewStars(nn.Module):
    def __init__(self, in_features=40):
        super().__init__()
        self.fc1 = nn.Linear(in_features, 32)
        self.fc2 = nn.Linear(32, NUM_STARS)
        self.drop = nn.Dropout(p=0.1)

    def forward(self, bag_of_words):
        return self.fc2(self.drop(torch.relu(self.fc1(bag_of_words))))


def read_reviews(n=90):
    stars = torch.arange(n) % NUM_STARS + 1
    words = torch.rand(n, 40) + (torch.arange(40) % NUM_STARS + 1 == stars[:, None]).float()
    return words, stars


def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        pred = model(X)
        loss = loss_fn(pred, y - 1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 2 == 0:
            print(f"loss: {loss.item():>7f}  [{(batch + 1) * len(X):>5d}/{size:>5d}]")


torch.manual_seed(6)
words, stars = read_reviews()
loader = DataLoader(TensorDataset(words, stars), batch_size=30, shuffle=True)
model = ReviewStars()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for t in range(4):
    print(f"Epoch {t + 1}\n-------------------------------")
    train(loader, model, nn.CrossEntropyLoss(), optimizer)
