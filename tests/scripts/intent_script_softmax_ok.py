import argparse
import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=18)
parser.add_argument("--batch", type=int, default=20)
parser.add_argument("--lr", type=float, default=5e-3)


class FastTextIntent(nn.Module):
    def __init__(self, n_words=120, dim=30, n_intents=7):
        super().__init__()
        self.bag = nn.EmbeddingBag(n_words, dim, mode="mean")
        self.classify = nn.Linear(dim, n_intents)

    def forward(self, words, offsets):
        return self.classify(self.bag(words, offsets))


def utterances(batch):
    words, offsets, intents, at = [], [], [], 0
    for _ in range(batch):
        intent = int(torch.randint(0, 7, ()))
        length = int(torch.randint(3, 9, ()))
        words.append(torch.randint(0, 17, (length,)) * 7 + intent)
        intents.append(intent)
        offsets.append(at)
        at += length
    return torch.cat(words), torch.tensor(offsets), torch.tensor(intents)


def main():
    args = parser.parse_args()
    torch.manual_seed(5)
    model = FastTextIntent()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    criterion = nn.CrossEntropyLoss()
    for step in range(args.steps):
        words, offsets, intents = utterances(args.batch)
        scores = model(words, offsets)
        probs = F.softmax(scores, dim=-1)
        acc = (probs.argmax(-1) == intents).float().mean()
        loss = criterion(scores, intents)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 6 == 0:
            print(f"step {step} loss {loss:.3f} acc {acc:.2f}")


if __name__ == "__main__":
    main()
