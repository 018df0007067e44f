"""More networks in the manner of well-known repositories, in short: bundles, graphs, several inputs, tuples and lists."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F


class DataGCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(11, 8), nn.Linear(8, 4)

    def forward(self, data):
        x, edge_index = data.x, data.edge_index
        s, d = edge_index
        x = F.relu(self.a(x))
        x = x + torch.zeros_like(x).index_add_(0, d, x[s])
        return F.log_softmax(self.b(x), dim=1)


class AutoformerLike(nn.Module):
    """x_enc only; config attributes."""

    def __init__(self):
        super().__init__()
        self.seq_len = 36
        self.pred_len = 12
        self.lin = nn.Linear(36, 12)
        self.proj = nn.Linear(7, 7)

    def forward(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
        return self.proj(self.lin(x_enc.permute(0, 2, 1)).permute(0, 2, 1))


class SpeakerTTS(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(30, 8)
        self.spk = nn.Embedding(4, 8)
        self.out = nn.Linear(8, 10)

    def forward(self, tokens, speaker_id):
        return self.out(self.emb(tokens) + self.spk(speaker_id).unsqueeze(1))


class StyleGANLike(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(32, 32)
        self.const = nn.Parameter(torch.randn(1, 16, 4, 4))
        self.affine = nn.Linear(32, 16)
        self.rgb = nn.Conv2d(16, 3, 1)

    def forward(self, z, truncation=1.0):
        w = self.map(z)
        x = self.const.expand(z.size(0), -1, -1, -1) * self.affine(w)[:, :, None, None]
        return self.rgb(F.interpolate(x, scale_factor=8))


class VQA(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Conv2d(3, 8, 3, 2)
        self.emb = nn.Embedding(50, 8)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.fc = nn.Linear(16, 20)

    def forward(self, image, question):
        i = self.cnn(image).mean((2, 3))
        _, (h, _) = self.lstm(self.emb(question))
        return self.fc(torch.cat([i, h[-1]], 1))


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Linear(20, 8)
        self.c = nn.Linear(8, 5)
        self.r = nn.Linear(8, 1)

    def forward(self, x):
        h = torch.relu(self.b(x))
        return {"class_logits": self.c(h), "value": self.r(h)}


class LSTMForecast(nn.Module):
    def __init__(self, input_size=1, hidden=16, num_layers=2, output_size=1):
        super().__init__()
        self.hidden = hidden
        self.num_layers = num_layers
        self.lstm = nn.LSTM(input_size, hidden, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden, output_size)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden)
        c0 = torch.zeros(self.num_layers, x.size(0), self.hidden)
        out, _ = self.lstm(x, (h0, c0))
        return self.fc(out[:, -1, :])


class CausalGPT(nn.Module):
    def __init__(self, vocab=65, block=32, d=16):
        super().__init__()
        self.block_size = block
        self.tok = nn.Embedding(vocab, d)
        self.pos = nn.Embedding(block, d)
        self.l = nn.TransformerEncoderLayer(d, 2, 32, batch_first=True)
        self.head = nn.Linear(d, vocab)

    def forward(self, idx, targets=None):
        B, T = idx.shape
        assert T <= self.block_size
        x = self.l(
            self.tok(idx) + self.pos(torch.arange(T)), src_mask=nn.Transformer.generate_square_subsequent_mask(T)
        )
        logits = self.head(x)
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(B * T, -1), targets.view(-1))
        return logits, loss


class STGCN(nn.Module):
    """(N, C, T, V, M) skeletons."""

    def __init__(self, in_channels=3, num_class=12, V=18):
        super().__init__()
        self.A = nn.Parameter(torch.eye(V))
        self.data_bn = nn.BatchNorm1d(in_channels * V)
        self.conv = nn.Conv2d(in_channels, 16, (9, 1), padding=(4, 0))
        self.fcn = nn.Conv2d(16, num_class, 1)

    def forward(self, x):
        N, C, T, V, M = x.size()
        x = x.permute(0, 4, 3, 1, 2).contiguous().view(N * M, V * C, T)
        x = self.data_bn(x)
        x = x.view(N, M, V, C, T).permute(0, 1, 3, 4, 2).contiguous().view(N * M, C, T, V)
        x = self.conv(torch.einsum("nctv,vw->nctw", x, self.A))
        x = F.avg_pool2d(x, x.size()[2:]).view(N, M, -1, 1, 1).mean(1)
        return self.fcn(x).view(x.size(0), -1)


class ConvLSTMVideo(nn.Module):
    """(N, T, C, H, W) to next frames."""

    def __init__(self, c=1, h=8):
        super().__init__()
        self.h = h
        self.conv = nn.Conv2d(c + h, 4 * h, 3, padding=1)
        self.out = nn.Conv2d(h, c, 1)

    def forward(self, x):
        b, t, c, hh, w = x.shape
        h = x.new_zeros(b, self.h, hh, w)
        cs = h
        ys = []
        for i in range(t):
            g = self.conv(torch.cat([x[:, i], h], 1))
            a, f, o, n = torch.chunk(g, 4, 1)
            cs = torch.sigmoid(f) * cs + torch.sigmoid(a) * torch.tanh(n)
            h = torch.sigmoid(o) * torch.tanh(cs)
            ys.append(self.out(h))
        return torch.stack(ys, 1)


class BertSum(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Embedding(99, 16)
        self.s = nn.Embedding(2, 16)
        self.l = nn.TransformerEncoderLayer(16, 2, 32)
        self.o = nn.Linear(16, 1)

    def forward(self, src, segs, clss, mask_src, mask_cls):
        x = self.w(src) + self.s(segs)
        x = self.l(x.transpose(0, 1), src_key_padding_mask=~mask_src).transpose(0, 1)
        v = x[torch.arange(x.size(0)).unsqueeze(1), clss]
        v = v * mask_cls[:, :, None].float()
        return torch.sigmoid(self.o(v)).squeeze(-1) * mask_cls.float(), mask_cls


class ReIDNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(8, 30)
        self.training_mode = True

    def forward(self, x):
        f = self.base(x).flatten(1)
        return self.classifier(f), f


class Pix2Pix(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(6, 8, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 16, 4, 2, 1),
            nn.InstanceNorm2d(16),
            nn.Conv2d(16, 1, 4, padding=1),
        )

    def forward(self, img_A, img_B):
        return self.net(torch.cat((img_A, img_B), 1))


class GraphWave(nn.Module):
    """(N, 1or2, nodes, time)."""

    def __init__(self, nodes=20, inp=2, out=12):
        super().__init__()
        self.e1 = nn.Parameter(torch.randn(nodes, 5))
        self.e2 = nn.Parameter(torch.randn(5, nodes))
        self.start = nn.Conv2d(inp, 8, 1)
        self.t = nn.Conv2d(8, 8, (1, 2), dilation=(1, 2))
        self.end = nn.Conv2d(8, out, 1)

    def forward(self, input):
        if input.size(3) < 13:
            input = F.pad(input, (13 - input.size(3), 0, 0, 0))
        x = self.t(self.start(input))
        A = F.softmax(F.relu(self.e1 @ self.e2), 1)
        x = torch.einsum("ncvl,vw->ncwl", x, A)
        return self.end(x[..., -1:])


class ESRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 8, batch_first=True)
        self.static = nn.Linear(3, 8)
        self.out = nn.Linear(16, 4)

    def forward(self, x, static):
        return self.out(torch.cat([self.gru(x)[0][:, -1], self.static(static)], 1))


class PackedLens(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(13, 8, batch_first=True)
        self.fc = nn.Linear(8, 6)

    def forward(self, feats, feat_lens):
        p = nn.utils.rnn.pack_padded_sequence(feats, feat_lens, batch_first=True, enforce_sorted=False)
        o, l = nn.utils.rnn.pad_packed_sequence(self.rnn(p)[0], batch_first=True)
        return self.fc(o).log_softmax(-1), l


class TransformerXLMem(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(60, 12)
        self.a = nn.MultiheadAttention(12, 2)
        self.o = nn.Linear(12, 60)

    def forward(self, data, mems=None):
        x = self.e(data)
        kv = x if mems is None else torch.cat([mems, x], 0)
        y = self.a(x, kv, kv)[0]
        return self.o(y), [x.detach()]


class ListIn(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 4)
        self.b = nn.Linear(6, 4)
        self.o = nn.Linear(8, 3)

    def forward(self, inputs):
        return self.o(torch.cat([self.a(inputs[0]), self.b(inputs[1])], -1))


class Jukebox(nn.Module):
    """mel to waveform, HiFi-GAN."""

    def __init__(self):
        super().__init__()
        self.pre = nn.Conv1d(80, 16, 7, padding=3)
        self.up = nn.ConvTranspose1d(16, 8, 16, 8, 4)
        self.post = nn.Conv1d(8, 1, 7, padding=3)

    def forward(self, x):
        return torch.tanh(self.post(F.leaky_relu(self.up(self.pre(x)))))


class MultiPeriodD(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList([nn.Conv2d(1, 4, (5, 1), (3, 1)), nn.Conv2d(4, 1, (3, 1))])
        self.period = 3

    def forward(self, x):
        fmap = []
        b, c, t = x.shape
        if t % self.period:
            x = F.pad(x, (0, self.period - t % self.period), "reflect")
            t = x.shape[-1]
        x = x.view(b, c, t // self.period, self.period)
        for l in self.c:
            x = l(x)
            fmap.append(x)
        return torch.flatten(x, 1, -1), fmap


class Decoder4(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(40, 12)
        self.d = nn.TransformerDecoder(nn.TransformerDecoderLayer(12, 2, 16, batch_first=True), 1)
        self.o = nn.Linear(12, 40)

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None):
        return self.o(self.d(self.e(tgt), memory, tgt_mask, memory_mask))


class NodeEdge(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = nn.Linear(7, 8)
        self.e = nn.Linear(3, 8)
        self.o = nn.Linear(8, 2)

    def forward(self, node_feats, edge_feats, edge_index, graph_ids):
        m = self.n(node_feats)[edge_index[0]] + self.e(edge_feats)
        h = torch.zeros(node_feats.size(0), 8).index_add_(0, edge_index[1], m)
        return self.o(torch.zeros(int(graph_ids.max()) + 1, 8).index_add_(0, graph_ids, h))


class HyperCond(nn.Module):
    def __init__(self, c_dim=5):
        super().__init__()
        self.m = nn.Sequential(nn.Conv2d(3 + c_dim, 8, 7, 1, 3), nn.ReLU(), nn.Conv2d(8, 3, 7, 1, 3))

    def forward(self, x, c):
        c = c.view(c.size(0), c.size(1), 1, 1).repeat(1, 1, x.size(2), x.size(3))
        return self.m(torch.cat([x, c], 1))


class LabelSmoothMLP(nn.Module):
    def __init__(self, input_dim=28 * 28, hidden=[64, 32], num_classes=10):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(input_dim, 64), nn.ReLU(), nn.Linear(64, num_classes))

    def forward(self, x):
        return self.net(x)


class Word2Vec(nn.Module):
    def __init__(self, vocab=50, d=8):
        super().__init__()
        self.t = nn.Embedding(vocab, d)
        self.c = nn.Embedding(vocab, d)

    def forward(self, target, context):
        return torch.einsum("be,bce->bc", self.t(target), self.c(context))
