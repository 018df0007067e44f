"""Sentiment of (synthetic) movie reviews with an LSTM."""
import argparse

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class SentimentLSTM(nn.Module):
    def __init__(self, vocab_size, embed_dim=24, hidden_dim=32, n_classes=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=0)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(2 * hidden_dim, n_classes)

    def forward(self, reviews):
        embedded = self.embedding(reviews)
        output, _ = self.lstm(embedded)
        return self.fc(self.dropout(output.mean(dim=1)))


def load_reviews(n, length, vocab_size):
    labels = torch.arange(n) % 2
    reviews = torch.randint(1, vocab_size, (n, length))
    reviews[labels == 1, ::3] = 7
    return TensorDataset(reviews, labels)


def train(model, loader, optimizer, criterion):
    model.train()
    total = 0.0
    for reviews, labels in loader:
        optimizer.zero_grad()
        predictions = model(reviews)
        loss = criterion(predictions, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        total += loss.item()
    return total / len(loader)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--vocab-size", type=int, default=200)
    args = parser.parse_args()
    torch.manual_seed(42)
    model = SentimentLSTM(args.vocab_size)
    loader = DataLoader(load_reviews(96, 21, args.vocab_size), batch_size=16, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(1, args.epochs + 1):
        print(f"epoch {epoch}: loss {train(model, loader, optimizer, nn.CrossEntropyLoss()):.3f}")
