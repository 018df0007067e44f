import math
import torch
from torch import nn
from torch.nn import functional as F


class CopyTransformer(nn.Module):
    def __init__(self, vocab=23, d=32):
        super().__init__()
        self.src, self.tgt = nn.Embedding(vocab, d), nn.Embedding(vocab, d)
        self.place = nn.Parameter(torch.randn(16, d) * 0.1)
        self.transformer = nn.Transformer(d, 2, 1, 1, 64, dropout=0.0, batch_first=True)
        self.generator = nn.Linear(d, vocab)
        self.scale = math.sqrt(d)

    def forward(self, src, tgt):
        causal = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
        s = self.src(src) * self.scale + self.place[: src.size(1)]
        t = self.tgt(tgt) * self.scale + self.place[: tgt.size(1)]
        return self.generator(self.transformer(s, t, tgt_mask=causal, tgt_is_causal=True))


class NoamOpt:
    def __init__(self, optimizer, warmup=8, factor=0.02):
        self.optimizer, self.warmup, self.factor, self.n = optimizer, warmup, factor, 0

    def step(self):
        self.n += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.factor * min(self.n ** -0.5, self.n * self.warmup ** -1.5)
        self.optimizer.step()
        self.optimizer.zero_grad()


def main():
    torch.manual_seed(0)
    model = CopyTransformer()
    opt = NoamOpt(torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9))
    for step in range(20):
        words = torch.randint(1, 23, (14, 9))
        out = model(words, words[:, :-1])
        logp = F.log_softmax(out, dim=-1)
        loss = F.nll_loss(logp.reshape(-1, 23), words[:, 1:].reshape(-1), reduction="sum") / 14
        loss.backward()
        opt.step()
    print("per sentence", loss.item())


if __name__ == "__main__":
    main()
