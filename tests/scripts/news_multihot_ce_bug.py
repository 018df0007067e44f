import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

TOPICS = ["politics", "sport", "money", "health", "science", "culture"]


class News(Dataset):
    def __init__(self, n=80):
        g = torch.Generator().manual_seed(0)
        self.topics = (torch.rand(n, len(TOPICS), generator=g) < 0.35).float()
        self.topics[torch.arange(n), torch.arange(n) % 6] = 1.0
        self.tfidf = torch.rand(n, 30, generator=g)
        self.tfidf[:, :6] += self.topics

    def __len__(self):
        return len(self.tfidf)

    def __getitem__(self, item):
        return self.tfidf[item], self.topics[item]


class TopicNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(30, 24), nn.LayerNorm(24), nn.ReLU())
        self.decoder = nn.Linear(24, len(TOPICS))

    def forward(self, tfidf):
        return self.decoder(self.encoder(tfidf))


def exact_match(model, data):
    with torch.no_grad():
        return ((model(data.tfidf) > 0) == data.topics.bool()).all(dim=1).float().mean().item()


def main():
    torch.manual_seed(0)
    data, model = News(), TopicNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(5):
        for tfidf, topics in DataLoader(data, batch_size=20, shuffle=True):
            loss = criterion(model(tfidf), topics)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item(), exact_match(model, data))


if __name__ == "__main__":
    main()
