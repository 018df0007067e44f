import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset


class Clips(Dataset):
    def __init__(self, n=36):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(i)
        letters = torch.randint(1, 11, (int(torch.randint(3, 6, (), generator=g)),), generator=g)
        frames = letters.repeat_interleave(6)
        table = torch.randn(11, 8, generator=torch.Generator().manual_seed(77))
        return table[frames] + 0.1 * torch.randn(len(frames), 8, generator=g), letters


def collate(batch):
    spectrograms, letters = zip(*batch)
    frames = torch.tensor([len(s) for s in spectrograms])
    return pad_sequence(spectrograms, batch_first=True), frames, torch.cat(letters), torch.tensor([len(t) for t in letters])


class DeepSpeech(nn.Module):
    subsampling = 2

    def __init__(self, mels=8, hidden=32, letters=11):
        super().__init__()
        self.conv = nn.Conv1d(mels, hidden, 3, stride=self.subsampling, padding=1)
        self.rnn = nn.LSTM(hidden, hidden, bidirectional=True)
        self.out = nn.Linear(2 * hidden, letters)

    def forward(self, x):
        x = torch.relu(self.conv(x.transpose(1, 2)))
        x, _ = self.rnn(x.permute(2, 0, 1))
        return self.out(x)


def main():
    torch.manual_seed(0)
    model = DeepSpeech()
    loss_fn = nn.CTCLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(4):
        for x, frames, letters, n_letters in DataLoader(Clips(), batch_size=9, collate_fn=collate):
            log_probs = model(x).log_softmax(2)
            lengths = (frames + 1) // model.subsampling
            loss = loss_fn(log_probs, letters, lengths, n_letters)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, f"{loss.item():.3f}")


if __name__ == "__main__":
    main()
