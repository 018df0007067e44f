import torch
from torch import nn

WORDS = "one two three four five six seven eight nine ten".split()
CHARS = sorted(set("".join(WORDS)))


class NextChar(nn.Module):
    def __init__(self, n_chars, hidden=28):
        super().__init__()
        self.embedding = nn.Embedding(n_chars, hidden)
        self.cell = nn.GRUCell(hidden, hidden)
        self.decoder = nn.Linear(hidden, n_chars)

    def forward(self, char, state=None):
        state = self.cell(self.embedding(char), state)
        return self.decoder(state), state


def stream(length=400):
    g = torch.Generator().manual_seed(0)
    text = "".join(WORDS[int(i)] for i in torch.randint(0, len(WORDS), (length,), generator=g))
    return torch.tensor([CHARS.index(c) for c in text])


def main():
    torch.manual_seed(0)
    data = stream()
    width = len(data) // 16
    columns = data[: 16 * width].view(16, width)
    model = NextChar(len(CHARS))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    state = None
    for t in range(width - 1):
        if t == 22:
            break
        state = None if state is None else state.detach()
        output, state = model(columns[:, t], state)
        loss = criterion(output, columns[:, t + 1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("bits", loss.item() / 0.6931)


if __name__ == "__main__":
    main()
