import torch
import torch.nn as nn


class Transformer(nn.Module):
    def __init__(self, src_vocab_size, tgt_vocab_size, d_model, num_heads, num_layers, d_ff, max_seq_length, dropout):
        super().__init__()
        self.enc = nn.Embedding(src_vocab_size, d_model)
        self.dec = nn.Embedding(tgt_vocab_size, d_model)
        self.pos = nn.Parameter(torch.randn(1, max_seq_length, d_model))
        self.t = nn.Transformer(d_model, num_heads, num_layers, num_layers, d_ff, dropout, batch_first=True)
        self.fc = nn.Linear(d_model, tgt_vocab_size)

    def forward(self, src, tgt):
        return self.fc(self.t(self.enc(src) + self.pos[:, : src.size(1)], self.dec(tgt) + self.pos[:, : tgt.size(1)]))


class Encoder(nn.Module):
    def __init__(self, src_vocab_size, embed_size, num_layers, heads, device, forward_expansion, dropout, max_length):
        super().__init__()
        self.device = device
        self.word_embedding = nn.Embedding(src_vocab_size, embed_size)
        self.position_embedding = nn.Embedding(max_length, embed_size)
        self.layers = nn.ModuleList(
            [
                nn.TransformerEncoderLayer(embed_size, heads, forward_expansion * embed_size, dropout, batch_first=True)
                for _ in range(num_layers)
            ]
        )

    def forward(self, x):
        n, t = x.shape
        out = self.word_embedding(x) + self.position_embedding(torch.arange(t).to(self.device))
        for layer in self.layers:
            out = layer(out)
        return out
