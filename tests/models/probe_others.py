"""Models of other kinds: point clouds, graphs, recordings, generators, decoders; none of them annotated."""

import torch
import torch.nn.functional as F
from torch import nn


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.m = nn.Sequential(
            nn.ConvTranspose2d(100, 32, 4, 1, 0),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 3, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.m(z)


class LazyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.LazyConv2d(8, 3)
        self.f = nn.LazyLinear(10)

    def forward(self, x):
        return self.f(self.c(x).flatten(1))


class DiffusionUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Embedding(1000, 16)
        self.i = nn.Conv2d(3, 16, 3, padding=1)
        self.g = nn.GroupNorm(4, 16)
        self.o = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x, t):
        return self.o(self.g(self.i(x) + self.t(t)[:, :, None, None]))


class PointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(3, 16, 1)
        self.b = nn.Conv1d(16, 32, 1)
        self.f = nn.Linear(32, 40)

    def forward(self, x):
        return self.f(torch.relu(self.b(torch.relu(self.a(x)))).max(2)[0])


class PointNetLast(PointNet):
    def forward(self, x):
        return super().forward(x.transpose(2, 1))


class GraphConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(14, 8)
        self.b = nn.Linear(8, 7)

    def forward(self, x, adj):
        return F.log_softmax(adj @ self.b(F.relu(adj @ self.a(x))), dim=1)


class HierarchicalTextNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 8)
        self.w = nn.GRU(8, 6, batch_first=True)
        self.s = nn.GRU(6, 6, batch_first=True)
        self.f = nn.Linear(6, 4)

    def forward(self, docs):
        n, k, w = docs.shape
        _, h = self.w(self.e(docs.view(n * k, w)))
        _, h = self.s(h[-1].view(n, k, -1))
        return self.f(h[-1])


class CRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 8, (8, 3), padding=(0, 1)),
        )
        self.r = nn.LSTM(8, 8, bidirectional=True)
        self.f = nn.Linear(16, 37)

    def forward(self, x):
        c = self.c(x)
        b, ch, h, w = c.size()
        assert h == 1, "the height of conv must be 1"
        o, _ = self.r(c.squeeze(2).permute(2, 0, 1))
        return self.f(o)


class VideoLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.r = nn.LSTM(16, 8, batch_first=True)
        self.f = nn.Linear(8, 6)

    def forward(self, x):
        n, t, c, h, w = x.size()
        y = self.c(x.view(n * t, c, h, w)).view(n, t, -1)
        o, _ = self.r(y)
        return self.f(o[:, -1])


class EEGNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, (1, 64), padding=(0, 32))
        self.b = nn.Conv2d(8, 16, (22, 1), groups=8)
        self.p = nn.AvgPool2d((1, 4))
        self.f = nn.Linear(16 * 64, 4)

    def forward(self, x):
        return self.f(self.p(torch.relu(self.b(self.a(x)))).flatten(1))


class DLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.seq_len, self.pred_len = 96, 24
        self.l = nn.Linear(96, 24)

    def forward(self, x):
        return self.l(x.permute(0, 2, 1)).permute(0, 2, 1)


class TasNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Conv1d(1, 16, 16, 8, bias=False)
        self.m = nn.Conv1d(16, 32, 1)
        self.d = nn.ConvTranspose1d(16, 1, 16, 8)

    def forward(self, mixture):
        w = self.e(mixture.unsqueeze(1))
        m = torch.relu(self.m(w)).view(w.size(0), 2, 16, -1)
        o = m * w.unsqueeze(1)
        n, k, c, t = o.shape
        return self.d(o.view(n * k, c, t)).view(n, k, -1)


class SpectrogramRecogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(1, 4, (41, 11), (2, 2), (20, 5))
        self.r = nn.GRU(4 * 81, 16, bidirectional=True)
        self.f = nn.Linear(32, 29)

    def forward(self, x):
        x = self.c(x)
        n, c, f, t = x.shape
        x = x.view(n, c * f, t).permute(2, 0, 1)
        o, _ = self.r(x)
        return self.f(o).transpose(0, 1)


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Conv2d(3, 16, 8, 8)
        self.t = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.ln = nn.LayerNorm(16)
        self.h = nn.Linear(16, 10)

    def forward(self, x):
        x = self.p(x).flatten(2).transpose(1, 2)
        x = x + self.t(self.ln(x).transpose(1, 2)).transpose(1, 2)
        return self.h(x.mean(1))


class NeRF(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(3 + 3 * 2 * 4, 16)
        self.o = nn.Linear(16, 4)

    def forward(self, x):
        return self.o(
            torch.relu(self.f(torch.cat([x] + [f(2**i * x) for i in range(4) for f in (torch.sin, torch.cos)], -1)))
        )


class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.EmbeddingBag(60, 8)
        self.f = nn.Linear(8, 4)

    def forward(self, text, offsets):
        return self.f(self.e(text, offsets))


class NeedHidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 8)
        self.r = nn.LSTM(8, 12, 2, batch_first=True)
        self.f = nn.Linear(12, 50)

    def forward(self, x, hidden):
        o, h = self.r(self.e(x), hidden)
        return self.f(o), h


class NeedHC(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 8)
        self.r = nn.LSTM(8, 12, batch_first=True)
        self.f = nn.Linear(12, 50)

    def forward(self, x, h0, c0):
        o, (h, c) = self.r(self.e(x), (h0, c0))
        return self.f(o), h, c


class AttentionDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(50, 12)
        self.g = nn.GRU(12, 12, batch_first=True)
        self.f = nn.Linear(24, 50)

    def forward(self, input, hidden, encoder_outputs):
        o, h = self.g(self.e(input), hidden)
        a = torch.softmax(o @ encoder_outputs.transpose(1, 2), -1)
        return F.log_softmax(self.f(torch.cat([o, a @ encoder_outputs], -1)), -1), h, a


class HeartbeatCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv1d(1, 8, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 5), nn.ReLU(), nn.MaxPool1d(2)
        )
        self.f = nn.Linear(8 * 43, 5)

    def forward(self, x):
        return self.f(self.c(x.unsqueeze(1)).flatten(1))


class TabularNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.es = nn.ModuleList([nn.Embedding(n, 4) for n in (10, 5, 7)])
        self.bn = nn.BatchNorm1d(6)
        self.f = nn.Linear(18, 2)

    def forward(self, x_cat, x_cont):
        return self.f(torch.cat([e(x_cat[:, i]) for i, e in enumerate(self.es)] + [self.bn(x_cont)], 1))


class AuxiliarySegmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Conv2d(3, 8, 3, 2, 1)
        self.o = nn.Conv2d(8, 21, 1)
        self.a = nn.Conv2d(8, 21, 1)

    def forward(self, x):
        f = self.b(x)
        return {"out": F.interpolate(self.o(f), x.shape[-2:]), "aux": F.interpolate(self.a(f), x.shape[-2:])}


class UNet1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(2, 8, 3, 2, 1)
        self.b = nn.Conv1d(8, 16, 3, 2, 1)
        self.u = nn.ConvTranspose1d(16, 8, 2, 2)
        self.v = nn.ConvTranspose1d(16, 4, 2, 2)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        u = self.u(b)
        return self.v(torch.cat([u, a], 1))


class SpectrogramInside(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(400))
        self.c = nn.Conv1d(201, 16, 3, padding=1)
        self.f = nn.Linear(16, 8)

    def forward(self, wav):
        x = torch.stft(wav, 400, 160, window=self.window, return_complex=True).abs()
        return self.f(self.c(x).mean(-1))


class FixedBatch(nn.Module):
    def __init__(self, batch_size=32):
        super().__init__()
        self.batch_size = batch_size
        self.e = nn.Embedding(50, 8)
        self.r = nn.LSTM(8, 12, batch_first=True)
        self.f = nn.Linear(12, 3)
        self.hidden = self.init()

    def init(self):
        return torch.zeros(1, self.batch_size, 12), torch.zeros(1, self.batch_size, 12)

    def forward(self, x):
        o, self.hidden = self.r(self.e(x), self.hidden)
        return self.f(o[:, -1])


class PreNormAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = nn.LayerNorm(24)
        self.a = nn.MultiheadAttention(24, 2, batch_first=True)
        self.f = nn.Linear(24, 7)

    def forward(self, x):
        y = self.n(x)
        return self.f(x + self.a(y, y, y, need_weights=False)[0])


class WeightNormTCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.utils.parametrizations.weight_norm(nn.Conv1d(6, 16, 3, padding=2))
        self.o = nn.Linear(16, 6)

    def forward(self, x):
        return self.o(self.c(x)[:, :, :-2].transpose(1, 2))


class TimeMajorBug(nn.Module):
    """LSTM batch_first False but used with batch first."""

    def __init__(self):
        super().__init__()
        self.r = nn.LSTM(10, 12)
        self.f = nn.Linear(12, 5)

    def forward(self, x):
        o, _ = self.r(x)
        return self.f(o[:, -1, :])


class LinThenLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.i = nn.Linear(9, 8)
        self.r = nn.LSTM(8, 12, batch_first=True)
        self.f = nn.Linear(12, 5)

    def forward(self, x):
        o, _ = self.r(self.i(x))
        return self.f(o)


class ConvLSTMTagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv1d(13, 16, 3, padding=1)
        self.r = nn.GRU(16, 8, batch_first=True)
        self.f = nn.Linear(8, 5)

    def forward(self, x):
        o, _ = self.r(self.c(x).permute(0, 2, 1))
        return self.f(o).permute(0, 2, 1)


class PixelView(nn.Module):
    """View(-1, C) on NCT: merged."""

    def __init__(self):
        super().__init__()
        self.c = nn.Conv1d(1, 10, 3, padding=1)

    def forward(self, x):
        return self.c(x).view(-1, 10)


class LSTMRegress(nn.Module):
    def __init__(self):
        super().__init__()
        self.r = nn.LSTM(1, 16, batch_first=True)
        self.f = nn.Linear(16, 1)

    def forward(self, x):
        return self.f(self.r(x)[0][:, -1])


class MaskedTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(70, 16)
        self.t = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1)
        self.f = nn.Linear(16, 4)

    def forward(self, input_ids, attention_mask):
        x = self.t(self.e(input_ids), src_key_padding_mask=(attention_mask == 0))
        return self.f((x * attention_mask.unsqueeze(-1)).sum(1) / attention_mask.sum(1, keepdim=True))


class SiameseText(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(70, 16)
        self.g = nn.GRU(16, 8, batch_first=True)
        self.f = nn.Linear(16, 2)

    def forward(self, q1, q2):
        return self.f(torch.cat([self.g(self.e(q1))[1][-1], self.g(self.e(q2))[1][-1]], 1))


class StepwiseSeq2Seq(nn.Module):
    """Time-first, step decoder loop, teacher forcing."""

    def __init__(self):
        super().__init__()
        self.e1 = nn.Embedding(40, 8)
        self.e2 = nn.Embedding(30, 8)
        self.enc = nn.LSTM(8, 12)
        self.dec = nn.LSTM(8, 12)
        self.f = nn.Linear(12, 30)

    def forward(self, src, trg, teacher_forcing_ratio=0.5):
        n = trg.shape[1]
        T = trg.shape[0]
        out = torch.zeros(T, n, 30)
        _, h = self.enc(self.e1(src))
        x = trg[0]
        for t in range(1, T):
            o, h = self.dec(self.e2(x).unsqueeze(0), h)
            out[t] = self.f(o.squeeze(0))
            x = trg[t]
        return out


class KeywordOnly(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(5, 3)

    def forward(self, *, x):
        return self.f(x)


class AllOptional(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(30, 8)
        self.f = nn.Linear(8, 30)

    def forward(self, input_ids=None, labels=None):
        l = self.f(self.e(input_ids))
        return {"loss": None, "logits": l}


class InferenceModeNet(nn.Module):
    """Inference tensors."""

    def __init__(self):
        super().__init__()
        self.f = nn.Linear(5, 3)

    @torch.inference_mode()
    def forward(self, x):
        return self.f(x)


class BFloatNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(5, 3)
        self.bfloat16()

    def forward(self, x):
        return self.f(x)


class GraySegmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(1, 4, 3, padding=1)
        self.o = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        return self.o(self.c(x.unsqueeze(1)))


class ChannelsLastSeg(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        return self.c(x).permute(0, 2, 3, 1)


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.horizon = 12
        self.r = nn.GRU(4, 8, batch_first=True)
        self.f = nn.Linear(8, 12 * 4)

    def forward(self, x):
        return self.f(self.r(x)[0][:, -1]).view(-1, 12, 4)


class MultiHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(8, 6 * 4)

    def forward(self, x):
        return self.f(x).view(-1, 6, 4)
