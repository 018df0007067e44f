import torch
import torch.nn as nn


class TopicLSTM(nn.Module):
    """A time-major LSTM: the embedding is transposed once, cuDNN likes it."""

    def __init__(self, vocab=90, emb=16, hidden=24, topics=4):
        super().__init__()
        self.embed = nn.Embedding(vocab, emb)
        self.lstm = nn.LSTM(emb, hidden)
        self.head = nn.Linear(hidden, topics)

    def forward(self, tokens):
        n, t = tokens.shape
        x = self.embed(tokens).transpose(0, 1)
        out, _ = self.lstm(x)
        out = out.transpose(0, 1)
        return self.head(out.mean(dim=1))


def topic_batch(n=15, t=8):
    topic = torch.randint(0, 4, (n,))
    tokens = torch.randint(0, 22, (n, t)) * 4 + topic.unsqueeze(1)
    return tokens, topic


def evaluate(model):
    model.eval()
    with torch.no_grad():
        tokens, topic = topic_batch(50)
        acc = (model(tokens).argmax(dim=1) == topic).sum().item() / 50
    model.train()
    return acc


if __name__ == "__main__":
    torch.manual_seed(0)
    model = TopicLSTM()
    print("untrained", evaluate(model))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for step in range(25):
        tokens, topic = topic_batch()
        optimizer.zero_grad()
        loss = criterion(model(tokens), topic)
        loss.backward()
        optimizer.step()
    print("trained", evaluate(model), loss.item())
