import string

import torch
import torch.nn as nn
import torch.nn.functional as F

ALPHABET = "-" + string.digits + "ABCDEF"


class CRNN(nn.Module):
    def __init__(self, height=12, classes=len(ALPHABET)):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 1)),
            nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.rnn = nn.GRU(16 * (height // 4), 24, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(48, classes)

    def forward(self, plate):
        f = self.cnn(plate)
        f = f.permute(0, 3, 1, 2).flatten(2)
        out, _ = self.rnn(f)
        return F.log_softmax(self.fc(out), dim=-1)


def plates(n=6, width=40):
    lengths = torch.randint(4, 8, (n,))
    text = torch.zeros(n, 7, dtype=torch.long)
    image = 0.1 * torch.randn(n, 1, 12, width)
    for i, k in enumerate(lengths.tolist()):
        text[i, :k] = torch.randint(1, len(ALPHABET), (k,))
        for j in range(k):
            image[i, 0, :, 5 * j:5 * j + 4] += text[i, j].item() / 8 - 1
    return image, text, lengths


def main(steps=12):
    torch.manual_seed(0)
    model = CRNN()
    ctc = nn.CTCLoss(blank=0, zero_infinity=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(steps):
        image, text, lengths = plates()
        logp = model(image)
        input_lengths = torch.full((logp.size(0),), logp.size(1), dtype=torch.long)
        loss = ctc(logp, text, input_lengths, lengths)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
    print("ctc", loss.item())


if __name__ == "__main__":
    main()
