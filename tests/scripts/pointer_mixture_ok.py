import torch
import torch.nn as nn
import torch.nn.functional as F


class CopyNet(nn.Module):
    """Generates from the vocabulary or copies a source word."""

    def __init__(self, vocab=25, dim=24):
        super().__init__()
        self.vocab = vocab
        self.emb = nn.Embedding(vocab, dim)
        self.encoder = nn.GRU(dim, dim, batch_first=True)
        self.vocab_head = nn.Linear(dim, vocab)
        self.gate = nn.Linear(dim, 1)

    def forward(self, source):
        states, last = self.encoder(self.emb(source))
        query = last.squeeze(0)
        attention = torch.softmax(torch.bmm(states, query.unsqueeze(2)).squeeze(2), dim=1)
        generated = torch.softmax(self.vocab_head(query), dim=1)
        copied = torch.zeros(len(source), self.vocab).scatter_add(1, source, attention)
        g = torch.sigmoid(self.gate(query))
        return torch.log(g * generated + (1 - g) * copied + 1e-9)


torch.manual_seed(0)
net = CopyNet()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(30):
    source = torch.randint(0, 25, (20, 7))
    target = source[:, 2]
    loss = F.nll_loss(net(source), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("nll", loss.item())
