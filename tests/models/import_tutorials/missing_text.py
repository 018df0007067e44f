import torch
import torch.nn as nn

corpus = open("no_such_corpus.txt").read()
words = sorted(set(corpus.split()))
vocab_size = len(words)


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 8)

    def forward(self, x):
        return self.embed(x)


class Sized(nn.Module):
    def __init__(self, size=vocab_size):
        super().__init__()
        self.embed = nn.Embedding(size, 8)


class Independent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(13, 5)

    def forward(self, x):
        return self.layer(x)
