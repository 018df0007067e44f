import random

import torch
import torch.nn as nn

SOS, MAX = 0, 6


class Encoder(nn.Module):
    def __init__(self, n_words, hidden):
        super().__init__()
        self.embedding = nn.Embedding(n_words, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, sentence):
        return self.gru(self.embedding(sentence))[1]


class Decoder(nn.Module):
    def __init__(self, n_words, hidden):
        super().__init__()
        self.embedding = nn.Embedding(n_words, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, n_words)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, word, hidden):
        output, hidden = self.gru(torch.relu(self.embedding(word)), hidden)
        output = self.softmax(self.out(output[:, 0]))
        return output, hidden


def train(source, target, encoder, decoder, optimizers, criterion):
    for o in optimizers:
        o.zero_grad()
    hidden = encoder(source)
    word = torch.full((len(source), 1), SOS)
    loss = 0
    teacher = random.random() < 0.5
    for i in range(target.size(1)):
        output, hidden = decoder(word, hidden)
        loss = loss + criterion(output, target[:, i])
        word = target[:, i:i + 1] if teacher else output.argmax(1, keepdim=True).detach()
    loss.backward()
    for o in optimizers:
        o.step()
    return loss.item() / target.size(1)


def main(iters=25, n_words=12):
    random.seed(0)
    torch.manual_seed(0)
    encoder, decoder = Encoder(n_words, 32), Decoder(n_words, 32)
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (encoder, decoder)]
    criterion = nn.NLLLoss()
    for it in range(1, iters + 1):
        source = torch.randint(1, n_words, (16, MAX))
        value = train(source, source.flip(1), encoder, decoder, optimizers, criterion)
        if it % 8 == 0:
            print(it, f"{value:.4f}")


if __name__ == "__main__":
    main()
