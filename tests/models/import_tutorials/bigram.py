"""In the manner of nanoGPT's lecture: sizes from a text file, a model, its training."""

import torch
import torch.nn as nn
from torch.nn import functional as F

batch_size = 16
block_size = 32
max_iters = 5000
device = "cuda" if torch.cuda.is_available() else "cpu"
n_embd = 24
torch.manual_seed(1337)

with open("bigram_input.txt", "r", encoding="utf-8") as f:
    text = f.read()

chars = sorted(list(set(text)))
vocab_size = len(chars)
stoi = {ch: i for i, ch in enumerate(chars)}
encode = lambda s: [stoi[c] for c in s]
data = torch.tensor(encode(text), dtype=torch.long)
n = int(0.9 * len(data))
train_data = data[:n]


def get_batch(split):
    ix = torch.randint(len(train_data) - block_size, (batch_size,))
    return torch.stack([train_data[i : i + block_size] for i in ix])


class BigramLanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embedding_table = nn.Embedding(vocab_size, n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size)

    def forward(self, idx, targets=None):
        return self.lm_head(self.token_embedding_table(idx))


model = BigramLanguageModel()
m = model.to(device)
print(sum(p.numel() for p in m.parameters()) / 1e6, "M parameters")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for iter in range(max_iters):
    xb = get_batch("train")
    loss = F.cross_entropy(model(xb).view(-1, vocab_size), xb.view(-1))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
