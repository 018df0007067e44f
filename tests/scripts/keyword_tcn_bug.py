import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader


class CausalConv1d(nn.Conv1d):
    def forward(self, x):
        pad = (self.kernel_size[0] - 1) * self.dilation[0]
        return super().forward(F.pad(x, (pad, 0)))


class KeywordTCN(nn.Module):
    def __init__(self, n_mels=10, width=20, n_keywords=6):
        super().__init__()
        self.blocks = nn.ModuleList([
            CausalConv1d(n_mels if i == 0 else width, width, 3, dilation=2 ** i) for i in range(3)])
        self.score = nn.Conv1d(width, n_keywords, 1)

    def forward(self, mel):
        for block in self.blocks:
            mel = F.elu(block(mel))
        scores = self.score(mel)
        return F.log_softmax(scores, dim=1)


class SpeechCommands(Dataset):
    """mel spectrograms of one-word clips"""

    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.words = torch.randint(0, 6, (n,), generator=g)
        self.mels = torch.randn(n, 10, 25, generator=g)
        self.mels[torch.arange(n), self.words] += 1.5

    def __len__(self):
        return len(self.words)

    def __getitem__(self, index):
        return self.mels[index], self.words[index]


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)

    def fit(self, loader, epochs):
        for _ in range(epochs):
            for mel, word in loader:
                log_probs = self.model(mel)
                loss = F.nll_loss(log_probs, word)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        return loss.item()


def main():
    torch.manual_seed(3)
    trainer = Trainer(KeywordTCN(), lr=0.05)
    print("loss:", trainer.fit(DataLoader(SpeechCommands(72, 0), batch_size=18), epochs=4))


if __name__ == "__main__":
    main()
