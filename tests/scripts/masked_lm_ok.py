from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass(frozen=True)
class Config:
    vocab: int = 40
    dim: int = 32
    length: int = 12
    batch: int = 12
    mask_id: int = 1
    p: float = 0.2


class MaskedLM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c.vocab, c.dim)
        self.pos = nn.Parameter(torch.zeros(c.length, c.dim))
        self.enc = nn.TransformerEncoderLayer(c.dim, 4, 64, 0.0, batch_first=True)
        self.transform = nn.Sequential(nn.Linear(c.dim, c.dim), nn.GELU(), nn.LayerNorm(c.dim))
        self.decoder = nn.Linear(c.dim, c.vocab)
        self.decoder.weight = self.embed.weight

    def forward(self, ids, labels=None):
        scores = self.decoder(self.transform(self.enc(self.embed(ids) + self.pos)))
        if labels is None:
            return {"logits": scores}
        loss = F.cross_entropy(scores.view(-1, scores.size(-1)), labels.view(-1))
        return {"loss": loss, "logits": scores}


def masked(c):
    start = torch.randint(2, 30, (c.batch, 1))
    ids = start + torch.arange(c.length) % 10
    hide = torch.rand(ids.shape) < c.p
    hide[:, 0] = True
    labels = ids.masked_fill(~hide, -100)
    return ids.masked_fill(hide, c.mask_id), labels


c = Config()
torch.manual_seed(0)
model = MaskedLM(c)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for step in range(25):
    ids, labels = masked(c)
    out = model(ids, labels)
    optimizer.zero_grad()
    out["loss"].backward()
    optimizer.step()
print("mlm", out["loss"].item())
