"""Networks in the manner of well-known repositories, several inputs and outputs of their own kinds, nothing annotated."""

from __future__ import annotations

import math
import random

import torch
import torch.nn.functional as F
from torch import nn


class YoloHead(nn.Module):
    """One scale of a one-stage detector: (N, anchors, H, W, 5 + classes)."""

    def __init__(self, anchors=3, classes=7):
        super().__init__()
        self.anchors, self.classes = anchors, classes
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.LeakyReLU(0.1), nn.Conv2d(8, 16, 3, 2, 1)
        )
        self.head = nn.Conv2d(16, anchors * (5 + classes), 1)

    def forward(self, x):
        y = self.head(self.stem(x))
        n, _, h, w = y.shape
        return y.view(n, self.anchors, 5 + self.classes, h, w).permute(0, 1, 3, 4, 2).contiguous()


class YoloScales(nn.Module):
    """A list of scales."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 16, 3, 8, 1)
        self.two = nn.Conv2d(16, 16, 3, 2, 1)
        self.heads = nn.ModuleList([nn.Conv2d(16, 36, 1), nn.Conv2d(16, 36, 1)])

    def forward(self, imgs, targets=None):
        a = self.one(imgs)
        b = self.two(a)
        return [self.heads[0](a), self.heads[1](b)]


class MiniDETR(nn.Module):
    """The demonstration of DETR: a position embedding by rows and columns, queries, a dict of two heads."""

    def __init__(self, num_classes=9, hidden_dim=16, nheads=2):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 7, 4, 3), nn.ReLU(), nn.Conv2d(8, 24, 3, 4, 1))
        self.conv = nn.Conv2d(24, hidden_dim, 1)
        self.transformer = nn.Transformer(hidden_dim, nheads, 1, 1, 32)
        self.linear_class = nn.Linear(hidden_dim, num_classes + 1)
        self.linear_bbox = nn.Linear(hidden_dim, 4)
        self.query_pos = nn.Parameter(torch.rand(20, hidden_dim))
        self.row_embed = nn.Parameter(torch.rand(50, hidden_dim // 2))
        self.col_embed = nn.Parameter(torch.rand(50, hidden_dim // 2))

    def forward(self, inputs):
        h = self.conv(self.backbone(inputs))
        H, W = h.shape[-2:]
        pos = (
            torch.cat(
                [
                    self.col_embed[:W].unsqueeze(0).repeat(H, 1, 1),
                    self.row_embed[:H].unsqueeze(1).repeat(1, W, 1),
                ],
                dim=-1,
            )
            .flatten(0, 1)
            .unsqueeze(1)
        )
        h = self.transformer(
            pos + 0.1 * h.flatten(2).permute(2, 0, 1), self.query_pos.unsqueeze(1).repeat(1, h.shape[0], 1)
        ).transpose(0, 1)
        return {"pred_logits": self.linear_class(h), "pred_boxes": self.linear_bbox(h).sigmoid()}


class TextCRNN(nn.Module):
    """Text lines of height 32, gray, to (T, N, classes)."""

    def __init__(self, nclass=37, nh=16):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, 3, 1, 1),
            nn.ReLU(True),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(8, 16, 3, 1, 1),
            nn.ReLU(True),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(16, 16, 3, 1, 1),
            nn.ReLU(True),
            nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            nn.Conv2d(16, 16, 2, 1, 0),
            nn.ReLU(True),
        )
        self.rnn = nn.LSTM(16, nh, bidirectional=True)
        self.embedding = nn.Linear(nh * 2, nclass)

    def forward(self, input):
        conv = self.cnn(input)
        b, c, h, w = conv.size()
        assert h == 1, "the height of conv must be 1"
        recurrent, _ = self.rnn(conv.squeeze(2).permute(2, 0, 1))
        T, b, h = recurrent.size()
        return self.embedding(recurrent.view(T * b, h)).view(T, b, -1)


class Tacotron(nn.Module):
    """Text and mel frames with teacher forcing; (mels, mels after the postnet, stop tokens, alignments)."""

    def __init__(self, n_mels=10, symbols=40):
        super().__init__()
        self.n_mels = n_mels
        self.embedding = nn.Embedding(symbols, 16)
        self.encoder = nn.LSTM(16, 8, batch_first=True, bidirectional=True)
        self.prenet = nn.Linear(n_mels, 8)
        self.rnn = nn.LSTMCell(8 + 16, 16)
        self.query, self.mel, self.gate = nn.Linear(16, 16), nn.Linear(32, n_mels), nn.Linear(32, 1)
        self.postnet = nn.Conv1d(n_mels, n_mels, 5, padding=2)

    def forward(self, text, text_lengths, mels, mel_lengths):
        x = self.embedding(text)
        packed = nn.utils.rnn.pack_padded_sequence(x, text_lengths.cpu(), batch_first=True, enforce_sorted=False)
        memory, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        frames = torch.cat([mels.new_zeros(mels.size(0), self.n_mels, 1), mels[:, :, :-1]], 2).transpose(1, 2)
        h = c = memory.new_zeros(text.size(0), 16)
        context = memory.new_zeros(text.size(0), 16)
        outs, gates, weights = [], [], []
        for t in range(frames.size(1)):
            h, c = self.rnn(torch.cat([self.prenet(frames[:, t]), context], 1), (h, c))
            w = torch.softmax((memory @ self.query(h).unsqueeze(2)).squeeze(2), 1)
            context = (w.unsqueeze(1) @ memory).squeeze(1)
            y = torch.cat([h, context], 1)
            outs.append(self.mel(y)), gates.append(self.gate(y)), weights.append(w)
        mel = torch.stack(outs, 2)
        return mel, mel + self.postnet(mel), torch.stack(gates, 1).squeeze(2), torch.stack(weights, 1)


class AttentionSeq2Seq(nn.Module):
    """The tutorial's encoder, attention and decoder in one: time first, teacher forcing ratio."""

    class Encoder(nn.Module):
        def __init__(self, input_dim, emb_dim, hid):
            super().__init__()
            self.embedding, self.rnn, self.fc = (
                nn.Embedding(input_dim, emb_dim),
                nn.GRU(emb_dim, hid, bidirectional=True),
                nn.Linear(hid * 2, hid),
            )

        def forward(self, src):
            outputs, hidden = self.rnn(self.embedding(src))
            return outputs, torch.tanh(self.fc(torch.cat((hidden[-2], hidden[-1]), dim=1)))

    class Decoder(nn.Module):
        def __init__(self, output_dim, emb_dim, hid):
            super().__init__()
            self.output_dim = output_dim
            self.attn, self.v = nn.Linear(hid * 3, hid), nn.Linear(hid, 1, bias=False)
            self.embedding, self.rnn = nn.Embedding(output_dim, emb_dim), nn.GRU(hid * 2 + emb_dim, hid)
            self.fc_out = nn.Linear(hid * 3 + emb_dim, output_dim)

        def forward(self, input, hidden, encoder_outputs):
            embedded = self.embedding(input.unsqueeze(0))
            n = encoder_outputs.shape[0]
            energy = torch.tanh(
                self.attn(torch.cat((hidden.unsqueeze(1).repeat(1, n, 1), encoder_outputs.permute(1, 0, 2)), 2))
            )
            a = F.softmax(self.v(energy).squeeze(2), dim=1).unsqueeze(1)
            weighted = torch.bmm(a, encoder_outputs.permute(1, 0, 2)).permute(1, 0, 2)
            output, hidden = self.rnn(torch.cat((embedded, weighted), 2), hidden.unsqueeze(0))
            return self.fc_out(
                torch.cat((output.squeeze(0), weighted.squeeze(0), embedded.squeeze(0)), 1)
            ), hidden.squeeze(0)

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = self.Encoder(41, 8, 12), self.Decoder(53, 8, 12)

    def forward(self, src, trg, teacher_forcing_ratio=0.5):
        trg_len, batch_size = trg.shape
        outputs = torch.zeros(trg_len, batch_size, self.decoder.output_dim)
        encoder_outputs, hidden = self.encoder(src)
        input = trg[0, :]
        for t in range(1, trg_len):
            output, hidden = self.decoder(input, hidden, encoder_outputs)
            outputs[t] = output
            input = trg[t] if random.random() < teacher_forcing_ratio else output.argmax(1)
        return outputs


class GraphAttention(nn.Module):
    """A GAT on (features, dense adjacency), no batch but nodes."""

    def __init__(self, nfeat=30, nhid=8, nclass=7):
        super().__init__()
        self.W = nn.Parameter(torch.empty(nfeat, nhid))
        self.a = nn.Parameter(torch.empty(2 * nhid, 1))
        nn.init.xavier_uniform_(self.W), nn.init.xavier_uniform_(self.a)
        self.out = nn.Linear(nhid, nclass)

    def forward(self, x, adj):
        h = x @ self.W
        e = F.leaky_relu(h @ self.a[:8] + (h @ self.a[8:]).T, 0.2)
        attention = F.softmax(torch.where(adj > 0, e, torch.full_like(e, -9e15)), dim=1)
        return F.log_softmax(self.out(F.elu(attention @ h)), dim=1)


class EdgeIndexGCN(nn.Module):
    """(features, edge_index (2, E)) with index_add."""

    def __init__(self, fin=12, hid=8, classes=5):
        super().__init__()
        self.one, self.two = nn.Linear(fin, hid), nn.Linear(hid, classes)

    def spread(self, x, edge_index):
        src, dst = edge_index
        return torch.zeros_like(x).index_add(0, dst, x[src])

    def forward(self, x, edge_index):
        return self.two(self.spread(F.relu(self.one(self.spread(x, edge_index))), edge_index))


class GraphClassifier(nn.Module):
    """Nodes of several graphs in one tensor, and which graph each belongs to."""

    def __init__(self):
        super().__init__()
        self.conv, self.lin = nn.Linear(9, 16), nn.Linear(16, 2)

    def forward(self, x, edge_index, batch):
        src, dst = edge_index
        x = F.relu(self.conv(x + torch.zeros_like(x).index_add_(0, dst, x[src])))
        size = int(batch.max()) + 1
        pooled = x.new_zeros(size, x.size(1)).index_add_(0, batch, x)
        return self.lin(pooled / torch.bincount(batch, minlength=size).clamp(min=1).unsqueeze(1))


class DeepFM(nn.Module):
    """Fields of one index each, offset into one table."""

    def __init__(self, field_dims=(7, 11, 5, 13), dim=4):
        super().__init__()
        self.embedding, self.fc = nn.Embedding(sum(field_dims), dim), nn.Embedding(sum(field_dims), 1)
        offsets = [0]
        for size in field_dims[:-1]:
            offsets.append(offsets[-1] + size)
        self.offsets = torch.tensor(offsets)
        self.mlp = nn.Sequential(nn.Linear(len(field_dims) * dim, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x):
        x = x + self.offsets.unsqueeze(0)
        e = self.embedding(x)
        fm = 0.5 * (e.sum(1).pow(2) - e.pow(2).sum(1)).sum(1, keepdim=True)
        y = self.fc(x).sum(1) + fm + self.mlp(e.flatten(1))
        return torch.sigmoid(y.squeeze(1))


class WideDeep(nn.Module):
    """One table for each categorical column, and numbers."""

    def __init__(self, cardinalities=(5, 9, 4), n_cont=6):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(c, 3) for c in cardinalities])
        self.bn = nn.BatchNorm1d(n_cont)
        self.wide, self.deep = (
            nn.Linear(n_cont, 2),
            nn.Sequential(nn.Linear(9 + n_cont, 16), nn.ReLU(), nn.Linear(16, 2)),
        )

    def forward(self, x_cat, x_cont):
        x = torch.cat([e(x_cat[:, i]) for i, e in enumerate(self.embeds)], 1)
        x_cont = self.bn(x_cont)
        return self.wide(x_cont) + self.deep(torch.cat([x, x_cont], 1))


class NCF(nn.Module):
    """Users and items, one of each a sample."""

    def __init__(self, users=30, items=50):
        super().__init__()
        self.embed_user, self.embed_item = nn.Embedding(users, 8), nn.Embedding(items, 8)
        self.layers = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, user, item):
        return self.layers(torch.cat((self.embed_user(user), self.embed_item(item)), -1)).view(-1)


class NBeats(nn.Module):
    """(N, backcast) to (backcast, forecast)."""

    def __init__(self, backcast=30, forecast=7):
        super().__init__()
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Linear(backcast, 16), nn.ReLU(), nn.Linear(16, backcast + forecast)) for _ in range(2)]
        )
        self.backcast, self.forecast = backcast, forecast

    def forward(self, backcast):
        forecast = torch.zeros(backcast.size(0), self.forecast)
        for block in self.blocks:
            theta = block(backcast)
            backcast = backcast - theta[:, : self.backcast]
            forecast = forecast + theta[:, self.backcast :]
        return backcast, forecast


class Informer(nn.Module):
    """Four inputs: values and calendar marks of the encoder and of the decoder."""

    class Embedding(nn.Module):
        def __init__(self, c_in, d_model, marks):
            super().__init__()
            self.value = nn.Conv1d(c_in, d_model, 3, padding=1, padding_mode="circular", bias=False)
            self.time = nn.Linear(marks, d_model, bias=False)
            position = torch.arange(200).unsqueeze(1) * torch.exp(
                torch.arange(0, d_model, 2) * -(math.log(1e4) / d_model)
            )
            self.register_buffer("pe", torch.stack([position.sin(), position.cos()], 2).flatten(1).unsqueeze(0))

        def forward(self, x, x_mark):
            return self.value(x.permute(0, 2, 1)).transpose(1, 2) + self.time(x_mark) + self.pe[:, : x.size(1)]

    def __init__(self, enc_in=7, dec_in=7, c_out=7, d_model=16, pred_len=12, marks=4):
        super().__init__()
        self.pred_len = pred_len
        self.enc_embedding, self.dec_embedding = (
            self.Embedding(enc_in, d_model, marks),
            self.Embedding(dec_in, d_model, marks),
        )
        self.encoder = nn.TransformerEncoderLayer(d_model, 2, 32, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(d_model, 2, 32, batch_first=True)
        self.projection = nn.Linear(d_model, c_out)

    def forward(self, x_enc, x_mark_enc, x_dec, x_mark_dec, enc_self_mask=None, dec_self_mask=None, dec_enc_mask=None):
        memory = self.encoder(self.enc_embedding(x_enc, x_mark_enc))
        out = self.projection(self.decoder(self.dec_embedding(x_dec, x_mark_dec), memory))
        return out[:, -self.pred_len :, :]


class DQN(nn.Module):
    """Frames of an old game, four at a time, 84 by 84."""

    def __init__(self, actions=6):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(4, 8, 8, stride=4),
            nn.Conv2d(8, 16, 4, stride=2),
            nn.Conv2d(16, 16, 3),
        )
        self.fc1, self.fc2 = nn.Linear(7 * 7 * 16, 32), nn.Linear(32, actions)

    def forward(self, x):
        x = F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x.float() / 255))))))
        return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))


class ActorCritic(nn.Module):
    """(action scores, state value)."""

    def __init__(self):
        super().__init__()
        self.affine, self.action_head, self.value_head = nn.Linear(4, 16), nn.Linear(16, 2), nn.Linear(16, 1)

    def forward(self, x):
        x = F.relu(self.affine(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


class StateActionCritic(nn.Module):
    """Q(state, action): two features joined."""

    def __init__(self, state_dim=11, action_dim=3):
        super().__init__()
        self.l1, self.l2 = nn.Linear(state_dim + action_dim, 16), nn.Linear(16, 1)

    def forward(self, state, action):
        return self.l2(F.relu(self.l1(torch.cat([state, action], 1))))


class MnistVAE(nn.Module):
    """(reconstruction, mean, log variance)."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22, self.fc3, self.fc4 = (
            nn.Linear(784, 40),
            nn.Linear(40, 20),
            nn.Linear(40, 20),
            nn.Linear(20, 40),
            nn.Linear(40, 784),
        )

    def forward(self, x):
        h = F.relu(self.fc1(x.view(-1, 784)))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


class ConditionalGenerator(nn.Module):
    """(noise, labels) to images."""

    def __init__(self, classes=10, latent=24):
        super().__init__()
        self.label_emb = nn.Embedding(classes, classes)
        self.model = nn.Sequential(
            nn.Linear(latent + classes, 32), nn.LeakyReLU(0.2), nn.BatchNorm1d(32, 0.8), nn.Linear(32, 784), nn.Tanh()
        )

    def forward(self, noise, labels):
        img = self.model(torch.cat((self.label_emb(labels), noise), -1))
        return img.view(img.size(0), 1, 28, 28)


class ConditionalDiscriminator(nn.Module):
    """(images, labels) to validity."""

    def __init__(self, classes=10):
        super().__init__()
        self.label_embedding = nn.Embedding(classes, classes)
        self.model = nn.Sequential(nn.Linear(classes + 784, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))

    def forward(self, img, labels):
        return self.model(torch.cat((img.view(img.size(0), -1), self.label_embedding(labels)), -1))


class DCGANGenerator(nn.Module):
    """(N, 100, 1, 1) to images."""

    def __init__(self, nz=100, ngf=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class DCGANDiscriminator(nn.Module):
    """64 by 64 to one number."""

    def __init__(self, ndf=4):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False),
            nn.Conv2d(ndf * 4, ndf * 8, 4, 2, 1, bias=False),
            nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, input):
        return self.main(input).view(-1, 1).squeeze(1)


class SRGAN(nn.Module):
    """Twice the size by pixel shuffle."""

    def __init__(self):
        super().__init__()
        self.head, self.body = (
            nn.Conv2d(3, 8, 9, padding=4),
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.PReLU()),
        )
        self.tail = nn.Sequential(nn.Conv2d(8, 32, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(8, 3, 9, padding=4))

    def forward(self, x):
        x = self.head(x)
        return (torch.tanh(self.tail(x + self.body(x))) + 1) / 2


class SiameseImages(nn.Module):
    """Two images of 105, one number a pair."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 4, 10),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 7),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 4),
            nn.ReLU(),
        )
        self.liner, self.out = nn.Linear(16 * 6 * 6, 16), nn.Linear(16, 1)

    def forward_one(self, x):
        return torch.sigmoid(self.liner(self.conv(x).view(x.size(0), -1)))

    def forward(self, x1, x2):
        return self.out(torch.abs(self.forward_one(x1) - self.forward_one(x2)))


class TripletNet(nn.Module):
    """Three embeddings; the loss takes all of them."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 5),
            nn.PReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 5),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * 4 * 4, 12),
        )

    def forward(self, anchor, positive, negative):
        return self.net(anchor), self.net(positive), self.net(negative)


class PointNetSegmenter(nn.Module):
    """Points (N, 3, P), per-point classes and the transform."""

    class TNet(nn.Module):
        def __init__(self, k):
            super().__init__()
            self.k = k
            self.conv, self.bn, self.fc = nn.Conv1d(k, 16, 1), nn.BatchNorm1d(16), nn.Linear(16, k * k)

        def forward(self, x):
            y = torch.max(F.relu(self.bn(self.conv(x))), 2, keepdim=True)[0].view(-1, 16)
            return self.fc(y).view(-1, self.k, self.k) + torch.eye(self.k)

    def __init__(self, parts=6):
        super().__init__()
        self.stn, self.conv1, self.conv2, self.conv3 = (
            self.TNet(3),
            nn.Conv1d(3, 16, 1),
            nn.Conv1d(16, 32, 1),
            nn.Conv1d(48, parts, 1),
        )

    def forward(self, x):
        trans = self.stn(x)
        x = F.relu(self.conv1(torch.bmm(x.transpose(2, 1), trans).transpose(2, 1)))
        g = torch.max(self.conv2(x), 2, keepdim=True)[0].repeat(1, 1, x.size(2))
        return F.log_softmax(self.conv3(torch.cat([g, x], 1)).transpose(2, 1), dim=-1), trans


class C3D(nn.Module):
    """Clips, flattened by `view(-1, 32)`: of other sizes they run with several rows a sample."""

    def __init__(self, classes=11):
        super().__init__()
        self.conv, self.pool = nn.Conv3d(3, 4, 3, padding=1), nn.MaxPool3d(4, 4)
        self.fc = nn.Linear(4 * 2 * 2 * 2, classes)

    def forward(self, x):
        return self.fc(self.pool(F.relu(self.conv(x))).view(-1, 32))


class AnnotatedTransformer(nn.Module):
    """src, tgt and their masks, all required, batch first."""

    def __init__(self, src_vocab=50, tgt_vocab=60, d=16):
        super().__init__()
        self.src_embed, self.tgt_embed = nn.Embedding(src_vocab, d), nn.Embedding(tgt_vocab, d)
        self.q, self.k, self.cross = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.generator = nn.Linear(d, tgt_vocab)

    def attention(self, q, k, mask):
        scores = self.q(q) @ self.k(k).transpose(1, 2) / 4
        if mask is not None:
            scores = scores.masked_fill(mask == 0, -1e9)
        return scores.softmax(-1) @ k

    def forward(self, src, tgt, src_mask, tgt_mask):
        s, t = self.src_embed(src), self.tgt_embed(tgt)
        memory = self.attention(s, s, src_mask)
        t = self.attention(t, t, tgt_mask)
        return self.generator(self.attention(self.cross(t), memory, src_mask))


class TutorialTransformer(nn.Module):
    """torch.nn.Transformer with all the masks of the translation tutorial, time first."""

    def __init__(self, src_vocab=40, tgt_vocab=50, d=16):
        super().__init__()
        self.transformer = nn.Transformer(d, 2, 1, 1, 16)
        self.generator, self.src_tok, self.tgt_tok = (
            nn.Linear(d, tgt_vocab),
            nn.Embedding(src_vocab, d),
            nn.Embedding(tgt_vocab, d),
        )

    def forward(self, src, trg, src_mask, tgt_mask, src_padding_mask, tgt_padding_mask, memory_key_padding_mask):
        outs = self.transformer(
            self.src_tok(src),
            self.tgt_tok(trg),
            src_mask,
            tgt_mask,
            None,
            src_padding_mask,
            tgt_padding_mask,
            memory_key_padding_mask,
        )
        return self.generator(outs)


class BiLSTMEmissions(nn.Module):
    """A tagger's emissions with mask and characters beside the words."""

    def __init__(self, words=40, chars=25, tags=6):
        super().__init__()
        self.word, self.char = nn.Embedding(words, 8), nn.Embedding(chars, 6)
        self.conv, self.lstm, self.fc = (
            nn.Conv1d(6, 6, 3, padding=1),
            nn.LSTM(14, 8, batch_first=True, bidirectional=True),
            nn.Linear(16, tags),
        )

    def forward(self, words, chars, mask):
        n, t, c = chars.shape
        x = self.conv(self.char(chars.view(n * t, c)).transpose(1, 2)).max(2)[0].view(n, t, -1)
        y = self.lstm(torch.cat([self.word(words), x], 2))[0]
        return self.fc(y) * mask.unsqueeze(-1).float()


class TabNetLike(nn.Module):
    """Steps of sparse masks; (logits, sparsity loss)."""

    def __init__(self, dim=14, out=3):
        super().__init__()
        self.bn, self.att, self.step, self.final = (
            nn.BatchNorm1d(dim),
            nn.Linear(dim, dim),
            nn.Linear(dim, 8),
            nn.Linear(8, out),
        )

    def forward(self, x):
        x = self.bn(x)
        mask = torch.softmax(self.att(x), -1)
        loss = (mask * torch.log(mask + 1e-8)).sum(1).mean()
        return self.final(F.relu(self.step(mask * x))), loss


class MemoryNet(nn.Module):
    """(stories of sentences, question)."""

    def __init__(self, vocab=30, d=8):
        super().__init__()
        self.A, self.C, self.W = nn.Embedding(vocab, d), nn.Embedding(vocab, d), nn.Linear(d, vocab)

    def forward(self, story, query):
        u = self.A(query).sum(1)
        m, c = self.A(story).sum(2), self.C(story).sum(2)
        p = torch.softmax((m * u.unsqueeze(1)).sum(2), 1)
        return self.W((p.unsqueeze(2) * c).sum(1) + u)


class ShowAttendTell(nn.Module):
    """(images, captions, caption lengths): sorted lengths, only the running part of the batch at each step."""

    def __init__(self, vocab=40, dim=16):
        super().__init__()
        self.vocab = vocab
        self.cnn = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
        self.embedding, self.decode_step = nn.Embedding(vocab, dim), nn.LSTMCell(dim + 8, dim)
        self.init_h, self.init_c, self.att, self.fc = (
            nn.Linear(8, dim),
            nn.Linear(8, dim),
            nn.Linear(8 + dim, 1),
            nn.Linear(dim, vocab),
        )

    def forward(self, images, encoded_captions, caption_lengths):
        features = self.cnn(images).permute(0, 2, 3, 1).flatten(1, 2)
        n, pixels, d = features.shape
        caption_lengths, order = caption_lengths.squeeze(1).sort(dim=0, descending=True)
        features, encoded_captions = features[order], encoded_captions[order]
        embeddings = self.embedding(encoded_captions)
        h, c = self.init_h(features.mean(1)), self.init_c(features.mean(1))
        decode_lengths = (caption_lengths - 1).tolist()
        predictions = torch.zeros(n, max(decode_lengths), self.vocab)
        alphas = torch.zeros(n, max(decode_lengths), pixels)
        for t in range(max(decode_lengths)):
            running = sum(length > t for length in decode_lengths)
            e = torch.cat([features[:running], h[:running].unsqueeze(1).expand(-1, pixels, -1)], 2)
            alpha = torch.softmax(self.att(e).squeeze(2), 1)
            z = (features[:running] * alpha.unsqueeze(2)).sum(1)
            h, c = self.decode_step(torch.cat([embeddings[:running, t], z], 1), (h[:running], c[:running]))
            predictions[:running, t], alphas[:running, t] = self.fc(h), alpha
        return predictions, encoded_captions, decode_lengths, alphas, order


class CaptionRNN(nn.Module):
    """The tutorial's decoder: features of the image stand before the caption, packed by plain lengths."""

    def __init__(self, vocab=40, embed=12):
        super().__init__()
        self.embed, self.lstm, self.linear = (
            nn.Embedding(vocab, embed),
            nn.LSTM(embed, 16, 1, batch_first=True),
            nn.Linear(16, vocab),
        )

    def forward(self, features, captions, lengths):
        embeddings = torch.cat((features.unsqueeze(1), self.embed(captions)), 1)
        packed = nn.utils.rnn.pack_padded_sequence(embeddings, lengths, batch_first=True)
        hiddens, _ = self.lstm(packed)
        return self.linear(hiddens[0])


class TimestepUNet(nn.Module):
    """A diffusion network with integer timesteps and optional labels."""

    def __init__(self, ch=8, steps=50, classes=10):
        super().__init__()
        self.time, self.label = nn.Embedding(steps, ch), nn.Embedding(classes, ch)
        self.inc, self.down, self.up, self.out = (
            nn.Conv2d(3, ch, 3, padding=1),
            nn.Conv2d(ch, ch, 4, 2, 1),
            nn.ConvTranspose2d(ch, ch, 4, 2, 1),
            nn.Conv2d(2 * ch, 3, 3, padding=1),
        )

    def forward(self, x, t, y=None):
        emb = self.time(t) if y is None else self.time(t) + self.label(y)
        a = F.silu(self.inc(x)) + emb[:, :, None, None]
        return self.out(torch.cat([a, self.up(F.silu(self.down(a)))], 1))


class SinusoidalUNet(nn.Module):
    """The same with a sinusoidal embedding of floats."""

    def __init__(self, ch=8):
        super().__init__()
        self.ch = ch
        self.mlp = nn.Sequential(nn.Linear(ch, ch * 4), nn.SiLU(), nn.Linear(ch * 4, ch))
        self.a, self.b, self.c, self.d = (
            nn.Conv2d(1, ch, 3, padding=1),
            nn.Conv2d(ch, ch, 3, 2, 1),
            nn.Conv2d(ch, ch, 3, 2, 1),
            nn.Conv2d(ch, 1, 3, padding=1),
        )

    def forward(self, x, time):
        freqs = torch.exp(torch.arange(self.ch // 2) * -(math.log(10000) / (self.ch // 2 - 1)))
        emb = time[:, None] * freqs[None, :]
        emb = self.mlp(torch.cat((emb.sin(), emb.cos()), -1))[:, :, None, None]
        x = self.a(x) + emb
        y = self.c(self.b(x))
        y = F.interpolate(F.interpolate(y, scale_factor=2), scale_factor=2)
        return self.d(x + y)


class WorldModel(nn.Module):
    """Observations in time, actions, and whether each begins an episode: (T, N, ...)."""

    def __init__(self, obs=9, actions=4):
        super().__init__()
        self.inp, self.cell, self.out = nn.Linear(obs + actions, 12), nn.GRUCell(12, 12), nn.Linear(12, obs)

    def forward(self, obs, actions, is_first):
        h = obs.new_zeros(obs.size(1), 12)
        outs = []
        for o, a, first in zip(obs, actions, is_first):
            h = h * (1.0 - first.float()).view(-1, 1)
            h = self.cell(torch.relu(self.inp(torch.cat([o, a], -1))), h)
            outs.append(self.out(h))
        return torch.stack(outs)


class SlowFast(nn.Module):
    """A list of two clips, of few and of many frames."""

    def __init__(self, classes=5):
        super().__init__()
        self.slow, self.fast, self.head = (
            nn.Conv3d(3, 8, (1, 3, 3), padding=(0, 1, 1)),
            nn.Conv3d(3, 4, (5, 3, 3), padding=(2, 1, 1)),
            nn.Linear(12, classes),
        )

    def forward(self, x):
        slow, fast = x
        return self.head(torch.cat([self.slow(slow).mean((2, 3, 4)), self.fast(fast).mean((2, 3, 4))], 1))


class BatchDict(nn.Module):
    """One argument: a dict of tensors."""

    def __init__(self, vocab=30):
        super().__init__()
        self.emb, self.fc, self.out = nn.Embedding(vocab, 8), nn.Linear(5, 8), nn.Linear(16, 3)

    def forward(self, batch):
        return self.out(torch.cat([self.emb(batch["tokens"]).mean(1), self.fc(batch["features"])], 1))


class FactoredTTS(nn.Module):
    """Durations, pitch and energy per phoneme; frames are as many as the durations add up to."""

    def __init__(self, phonemes=40, mels=10):
        super().__init__()
        self.emb, self.pitch, self.energy, self.out = (
            nn.Embedding(phonemes, 12),
            nn.Linear(1, 12),
            nn.Linear(1, 12),
            nn.Linear(12, mels),
        )

    def forward(self, phonemes, durations, pitch, energy):
        x = self.emb(phonemes) + self.pitch(pitch.unsqueeze(-1)) + self.energy(energy.unsqueeze(-1))
        rows = [torch.repeat_interleave(one, d.long(), dim=0) for one, d in zip(x, durations)]
        return self.out(nn.utils.rnn.pad_sequence(rows, batch_first=True))


class NextItem(nn.Module):
    """SASRec: histories, positives and negatives; two scores."""

    def __init__(self, items=60, d=12, maxlen=20):
        super().__init__()
        self.item_emb, self.pos_emb = nn.Embedding(items + 1, d, padding_idx=0), nn.Embedding(maxlen, d)
        self.att, self.norm = nn.MultiheadAttention(d, 2), nn.LayerNorm(d)

    def forward(self, log_seqs, pos_seqs, neg_seqs):
        x = self.item_emb(log_seqs) + self.pos_emb(torch.arange(log_seqs.shape[1]))
        x = x.transpose(0, 1)
        x = self.norm(self.att(x, x, x)[0] + x).transpose(0, 1)
        return (x * self.item_emb(pos_seqs)).sum(-1), (x * self.item_emb(neg_seqs)).sum(-1)


class FewShot(nn.Module):
    """Prototypes: (support images, support labels, query images)."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, support, support_labels, query):
        s, q = self.encoder(support), self.encoder(query)
        prototypes = torch.stack([s[support_labels == c].mean(0) for c in torch.unique(support_labels)])
        return -torch.cdist(q, prototypes)
