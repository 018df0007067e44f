import torch.nn as nn


class Speech(nn.Module):
    def __init__(self, n_mels, hidden, n_class, stride):
        super().__init__()
        self.c = nn.Conv1d(n_mels, hidden, 3, stride=stride, padding=1)
        self.o = nn.Linear(hidden, n_class)

    def forward(self, x):
        return self.o(self.c(x).transpose(1, 2))
