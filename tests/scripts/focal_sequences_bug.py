import torch
from torch import nn
import torch.nn.functional as F


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0, alpha=None, reduction="mean"):
        super().__init__()
        self.gamma, self.alpha, self.reduction = gamma, alpha, reduction

    def forward(self, inputs, targets):
        ce = F.cross_entropy(inputs, targets, weight=self.alpha, reduction="none")
        pt = torch.exp(-ce)
        loss = (1 - pt) ** self.gamma * ce
        return loss.mean() if self.reduction == "mean" else loss.sum()


class GeneAnnotator(nn.Module):
    """exon, intron or intergenic for each base"""

    def __init__(self, dim=20):
        super().__init__()
        self.base = nn.Embedding(4, dim)
        self.conv = nn.Conv1d(dim, dim, 9, padding=4)
        self.rnn = nn.RNN(dim, dim, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * dim, 3)

    def forward(self, dna):
        x = self.base(dna).mT
        x = F.relu(self.conv(x)).mT
        return self.linear(self.rnn(x)[0])


def genome(n=8, length=30):
    dna = torch.randint(0, 4, (n, length))
    kind = torch.zeros_like(dna)
    kind[:, 8:20] = 1
    kind[:, 12:16] = 2
    dna[kind == 1] = 0
    dna[kind == 2] = 3
    return dna, kind


def main():
    torch.manual_seed(0)
    model = GeneAnnotator()
    criterion = FocalLoss(alpha=torch.tensor([0.5, 1.0, 2.0]))
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(12):
        dna, kind = genome()
        scores = model(dna)
        loss = criterion(scores, kind)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("focal", loss.item())


if __name__ == "__main__":
    main()
