import torch
import torch.nn as nn
import torch.nn.functional as F

CORPUS = ("the king rules the land and the queen rules the sea while the fool sings in the hall of the king " * 4).split()
VOCAB = sorted(set(CORPUS))
IDS = torch.tensor([VOCAB.index(w) for w in CORPUS])


class SkipGram(nn.Module):
    def __init__(self, words, dim=15):
        super().__init__()
        self.centre = nn.Embedding(words, dim)
        self.context = nn.Embedding(words, dim)

    def forward(self, centre, candidates):
        return torch.bmm(self.context(candidates), self.centre(centre).unsqueeze(2)).squeeze(2)


def pairs(batch, negatives, window=2):
    at = torch.randint(window, len(IDS) - window, (batch,))
    offset = torch.randint(1, window + 1, (batch,)) * (2 * torch.randint(0, 2, (batch,)) - 1)
    drawn = torch.randint(0, len(VOCAB), (batch, negatives))
    candidates = torch.cat([IDS[at + offset].unsqueeze(1), drawn], dim=1)
    labels = torch.zeros(batch, 1 + negatives)
    labels[:, 0] = 1
    return IDS[at], candidates, labels


def main():
    torch.manual_seed(0)
    model = SkipGram(len(VOCAB))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(30):
        centre, candidates, labels = pairs(32, 5)
        loss = F.binary_cross_entropy_with_logits(model(centre, candidates), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("sgns", loss.item())


if __name__ == "__main__":
    main()
