"""Recurrent, attentive and encoder-decoder models, none of them annotated."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class TaggerBatchFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 12, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(24, 9)

    def forward(self, tokens):
        out, _ = self.lstm(self.emb(tokens))
        return self.fc(out)


class TaggerTimeFirst(nn.Module):
    """The batch is axis 1 of tokens and output alike."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 12)
        self.fc = nn.Linear(12, 9)

    def forward(self, sentence):
        out, _ = self.lstm(self.emb(sentence))
        return F.log_softmax(self.fc(out), dim=-1)


class TutorialTagger(nn.Module):
    """One sentence at a time: (T,) to (T, tags)."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 12)
        self.hidden2tag = nn.Linear(12, 9)

    def forward(self, sentence):
        embeds = self.word_embeddings(sentence)
        out, _ = self.lstm(embeds.view(len(sentence), 1, -1))
        return F.log_softmax(self.hidden2tag(out.view(len(sentence), -1)), dim=1)


class FeatureLSTM(nn.Module):
    """(N, T, F) floats, last step classified."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 32, 2, batch_first=True)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        h0 = torch.zeros(2, x.size(0), 32)
        c0 = torch.zeros(2, x.size(0), 32)
        out, _ = self.lstm(x, (h0, c0))
        return self.fc(out[:, -1, :])


class TimeFirstFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(12, 32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.fc(out)


class CharRNN(nn.Module):
    """(out, hidden) with an optional state; batch and time merged."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Embedding(65, 32)
        self.rnn = nn.LSTM(32, 32, 2, batch_first=True)
        self.decoder = nn.Linear(32, 65)

    def forward(self, x, hidden=None):
        out, hidden = self.rnn(self.encoder(x), hidden)
        return self.decoder(out.reshape(-1, out.size(2))), hidden


class StepRNN(nn.Module):
    """A hand-made cell: (input, hidden) to (output, hidden)."""

    def __init__(self, input_size: int = 57, hidden_size: int = 128, output_size: int = 18) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = self.i2h(combined)
        return self.softmax(self.i2o(combined)), hidden


class LengthsClassifier(nn.Module):
    """Tokens and lengths, packed."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(50, 16, padding_idx=0)
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.fc = nn.Linear(24, 4)

    def forward(self, text, text_lengths):
        packed = nn.utils.rnn.pack_padded_sequence(
            self.emb(text), text_lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        _, h = self.gru(packed)
        return self.fc(h[-1])


class LengthsTagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(50, 16)
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.fc = nn.Linear(24, 6)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.emb(x), lengths, batch_first=True, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return self.fc(out)


class TransformerClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(80, 16)
        self.pos = nn.Parameter(torch.zeros(1, 64, 16))
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.fc = nn.Linear(16, 3)

    def forward(self, src):
        x = self.emb(src) + self.pos[:, : src.size(1)]
        return self.fc(self.encoder(x).mean(1))


class TransformerTutorial(nn.Module):
    """Time first, causal mask as an optional argument, sinusoidal positions."""

    def __init__(self, ntoken: int = 90, d: int = 16) -> None:
        super().__init__()
        self.d = d
        position = torch.arange(100).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        pe = torch.zeros(100, 1, d)
        pe[:, 0, 0::2], pe[:, 0, 1::2] = torch.sin(position * div), torch.cos(position * div)
        self.register_buffer("pe", pe)
        self.embedding = nn.Embedding(ntoken, d)
        self.transformer_encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(d, 2, 32), 2, enable_nested_tensor=False
        )
        self.linear = nn.Linear(d, ntoken)

    def forward(self, src, src_mask=None):
        src = self.embedding(src) * math.sqrt(self.d)
        src = src + self.pe[: src.size(0)]
        if src_mask is None:
            src_mask = nn.Transformer.generate_square_subsequent_mask(len(src))
        return self.linear(self.transformer_encoder(src, src_mask))


class TinyGPT(nn.Module):
    """Learnt positions up to block_size; logits and an optional loss."""

    def __init__(self, vocab: int = 65, block_size: int = 8, d: int = 16) -> None:
        super().__init__()
        self.tok, self.position = nn.Embedding(vocab, d), nn.Embedding(block_size, d)
        self.block = nn.TransformerEncoderLayer(d, 2, 32, batch_first=True)
        self.head = nn.Linear(d, vocab)

    def forward(self, idx, targets=None):
        b, t = idx.shape
        x = self.tok(idx) + self.position(torch.arange(t))
        x = self.block(x, src_mask=torch.triu(torch.full((t, t), float("-inf")), 1))
        logits = self.head(x)
        loss = None if targets is None else F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss


class Seq2Seq(nn.Module):
    """GRU encoder and decoder with teacher forcing: (src, trg) to (N, T_trg, vocabulary)."""

    def __init__(self) -> None:
        super().__init__()
        self.src_emb, self.trg_emb = nn.Embedding(40, 16), nn.Embedding(30, 16)
        self.encoder, self.decoder = nn.GRU(16, 24, batch_first=True), nn.GRU(16, 24, batch_first=True)
        self.out = nn.Linear(24, 30)

    def forward(self, src, trg):
        _, h = self.encoder(self.src_emb(src))
        out, _ = self.decoder(self.trg_emb(trg), h)
        return self.out(out)


class NMT(nn.Module):
    """nn.Transformer, two token inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.src, self.tgt = nn.Embedding(40, 16), nn.Embedding(30, 16)
        self.transformer = nn.Transformer(16, 2, 1, 1, 32, batch_first=True)
        self.out = nn.Linear(16, 30)

    def forward(self, src, tgt):
        mask = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
        return self.out(self.transformer(self.src(src), self.tgt(tgt), tgt_mask=mask))


class AttentionTagger(nn.Module):
    """Output and attention weights."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(50, 16)
        self.attn = nn.MultiheadAttention(16, 2, batch_first=True)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.emb(x)
        y, weights = self.attn(x, x, x)
        return self.fc(y), weights


class MaskedAttention(nn.Module):
    """x and a required mask."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(16, 16)
        self.fc = nn.Linear(16, 5)

    def forward(self, x, mask):
        h = self.proj(x)
        scores = (h @ h.transpose(1, 2)).masked_fill(mask.unsqueeze(1) == 0, -1e9)
        return self.fc(torch.softmax(scores, -1) @ h)


class TextCNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.convs = nn.ModuleList([nn.Conv2d(1, 8, (k, 16)) for k in (3, 4, 5)])
        self.fc = nn.Linear(24, 2)

    def forward(self, text):
        x = self.embedding(text).unsqueeze(1)
        xs = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        return self.fc(torch.cat([F.max_pool1d(i, i.shape[2]).squeeze(2) for i in xs], 1))


class CTCNet(nn.Module):
    """Spectrogram to time-first log-probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(40, 32, 3, stride=2, padding=1)
        self.rnn = nn.GRU(32, 24, bidirectional=True)
        self.fc = nn.Linear(48, 29)

    def forward(self, x):
        x = self.conv(x).permute(2, 0, 1)
        return self.fc(self.rnn(x)[0]).log_softmax(2)
