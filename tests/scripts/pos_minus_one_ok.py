import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

N_TAGS = 8


class PackedTagger(nn.Module):
    def __init__(self, vocab_size=60, emb=16, hidden=20):
        super().__init__()
        self.word = nn.Embedding(vocab_size, emb, padding_idx=0)
        self.lstm = nn.LSTM(emb, hidden, batch_first=True, bidirectional=True)
        self.tag = nn.Linear(2 * hidden, N_TAGS)

    def forward(self, words, lengths):
        packed = pack_padded_sequence(self.word(words), lengths, batch_first=True, enforce_sorted=False)
        out, _ = self.lstm(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)
        return self.tag(out)


def sentences(n):
    lengths = torch.randint(4, 13, (n,))
    words = [torch.randint(1, 60, (int(k),)) for k in lengths]
    tags = [w % N_TAGS for w in words]
    return (pad_sequence(words, batch_first=True),
            pad_sequence(tags, batch_first=True, padding_value=-1),
            lengths)


def main(steps=16):
    torch.manual_seed(0)
    tagger = PackedTagger()
    criterion = nn.CrossEntropyLoss(ignore_index=-1)
    optimizer = torch.optim.Adam(tagger.parameters(), lr=2e-2)
    for step in range(steps):
        words, tags, lengths = sentences(11)
        scores = tagger(words, lengths)
        loss = criterion(scores.reshape(-1, N_TAGS), tags.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    kept = tags != -1
    print("loss", loss.item(), "acc", (scores.argmax(-1)[kept] == tags[kept]).float().mean().item())


if __name__ == "__main__":
    main()
