import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

PAD = 0
TAGS = ["O"] + [f"{p}-{t}" for t in ("PER", "LOC", "ORG", "MISC", "DATE") for p in ("B", "I")]


class Tagger(nn.Module):
    def __init__(self, vocab=150, dim=32, heads=4, layers=1, max_len=40):
        super().__init__()
        self.tok = nn.Embedding(vocab, dim, padding_idx=PAD)
        self.pos = nn.Embedding(max_len, dim)
        block = nn.TransformerEncoderLayer(dim, heads, 4 * dim, batch_first=True, norm_first=True, dropout=0.0)
        self.encoder = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.classifier = nn.Linear(dim, len(TAGS))

    def forward(self, ids):
        mask = ids.eq(PAD)
        h = self.tok(ids) + self.pos(torch.arange(ids.shape[1], device=ids.device))
        return self.classifier(self.encoder(h, src_key_padding_mask=mask))


def make_sentence(i):
    g = torch.Generator().manual_seed(i)
    length = int(torch.randint(6, 19, (1,), generator=g))
    ids = torch.randint(1, 150, (length,), generator=g)
    return ids, ids % len(TAGS)


def collate(batch):
    ids, tags = zip(*batch)
    return pad_sequence(ids, batch_first=True, padding_value=PAD), pad_sequence(tags, batch_first=True, padding_value=-100)


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    running = 0.0
    for ids, tags in loader:
        optimizer.zero_grad()
        logits = model(ids)
        loss = criterion(logits, tags)
        loss.backward()
        optimizer.step()
        running += loss.item()
    return running / len(loader)


def main():
    torch.manual_seed(0)
    model = Tagger()
    loader = DataLoader([make_sentence(i) for i in range(40)], batch_size=10, shuffle=True, collate_fn=collate)
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(4):
        print(epoch, train_one_epoch(model, loader, criterion, optimizer))


if __name__ == "__main__":
    main()
