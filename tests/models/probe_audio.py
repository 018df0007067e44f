"""WaveNets and TCNs in the manner of public repositories, none of them annotated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ValidWaveNet(nn.Module):
    """Valid dilated convolutions shorten the signal; one-hot in, the last samples out, batch and time merged."""

    def __init__(self, layers: int = 10, blocks: int = 2, classes: int = 256, output_length: int = 32) -> None:
        super().__init__()
        self.output_length = output_length
        self.start_conv = nn.Conv1d(classes, 16, 1, bias=False)
        self.filters, self.gates, self.residuals, self.skips = (nn.ModuleList() for _ in range(4))
        self.dilations = [2**i for _ in range(blocks) for i in range(layers)]
        for dilation in self.dilations:
            self.filters.append(nn.Conv1d(16, 16, 2, dilation=dilation))
            self.gates.append(nn.Conv1d(16, 16, 2, dilation=dilation))
            self.residuals.append(nn.Conv1d(16, 16, 1))
            self.skips.append(nn.Conv1d(16, 32, 1))
        self.end_conv_1 = nn.Conv1d(32, 32, 1)
        self.end_conv_2 = nn.Conv1d(32, classes, 1)

    def wavenet(self, x):
        x = self.start_conv(x)
        skip = 0
        for f, g, r, s in zip(self.filters, self.gates, self.residuals, self.skips):
            residual = x
            x = torch.tanh(f(x)) * torch.sigmoid(g(x))
            side = s(x)
            skip = side + (skip[:, :, -side.size(2) :] if torch.is_tensor(skip) else 0)
            x = r(x) + residual[:, :, -x.size(2) :]
        return self.end_conv_2(F.relu(self.end_conv_1(F.relu(skip))))

    def forward(self, input):
        x = self.wavenet(input)
        n, c, _ = x.size()
        x = x[:, :, -self.output_length :]
        x = x.transpose(1, 2).contiguous()
        return x.view(n * self.output_length, c)


class ShorteningWaveNet(ValidWaveNet):
    def forward(self, input):
        return self.wavenet(input)


class VocoderWaveNet(nn.Module):
    """Same-length WaveNet, (N, 256, T) to (N, 256, T), with optional local and global conditioning."""

    def __init__(self, layers: int = 10, channels: int = 256) -> None:
        super().__init__()
        self.first_conv = nn.Conv1d(channels, 32, 1)
        self.convs = nn.ModuleList([nn.Conv1d(32, 64, 3, padding=2 * 2**i, dilation=2**i) for i in range(layers)])
        self.conv1x1_out = nn.ModuleList([nn.Conv1d(32, 32, 1) for _ in range(layers)])
        self.conv1x1_skip = nn.ModuleList([nn.Conv1d(32, 32, 1) for _ in range(layers)])
        self.last_conv_layers = nn.ModuleList([nn.ReLU(), nn.Conv1d(32, 32, 1), nn.ReLU(), nn.Conv1d(32, channels, 1)])

    def forward(self, x, c=None, g=None, softmax=False):
        B, _, T = x.size()
        if g is not None:
            g = g.expand(B, -1, T)
        x = self.first_conv(x)
        skips = 0
        for conv, out, skip in zip(self.convs, self.conv1x1_out, self.conv1x1_skip):
            a, b = conv(x)[:, :, :T].split(32, dim=1)
            h = torch.tanh(a) * torch.sigmoid(b)
            skips = skips + skip(h)
            x = out(h) + x
        x = skips
        for f in self.last_conv_layers:
            x = f(x)
        return F.softmax(x, dim=1) if softmax else x


class RawWaveNet(nn.Module):
    """(N, 1, T) raw floats in, (N, T, classes) out: the class axis last."""

    def __init__(self, layers: int = 10) -> None:
        super().__init__()
        self.inp = nn.Conv1d(1, 24, 1)
        self.layers = nn.ModuleList([nn.Conv1d(24, 24, 2, dilation=2**i, padding=2**i) for i in range(layers)])
        self.head = nn.Conv1d(24, 256, 1)

    def forward(self, x):
        x = self.inp(x)
        for layer in self.layers:
            x = x + torch.tanh(layer(x)[..., : x.shape[-1]])
        return self.head(x).transpose(1, 2)


class CausalConv1d(nn.Conv1d):
    def __init__(self, cin, cout, kernel_size, dilation=1):
        super().__init__(cin, cout, kernel_size, dilation=dilation)
        self.left = (kernel_size - 1) * dilation

    def forward(self, x):
        return super().forward(F.pad(x, (self.left, 0)))


class ChannelsLastWaveNet(nn.Module):
    """(N, T, C) in, transposes inside, softmax at the end, shortened by its receptive field."""

    def __init__(self, layer_size: int = 5, stack_size: int = 2, in_channels: int = 64, res: int = 16) -> None:
        super().__init__()
        self.receptive_fields = sum(2**i for _ in range(stack_size) for i in range(layer_size))
        self.causal = nn.Conv1d(in_channels, res, 2, padding=1, bias=False)
        self.stack = nn.ModuleList(
            [nn.Conv1d(res, res, 2, dilation=2**i) for _ in range(stack_size) for i in range(layer_size)]
        )
        self.skip = nn.ModuleList([nn.Conv1d(res, 32, 1) for _ in self.stack])
        self.last = nn.Conv1d(32, in_channels, 1)

    def calc_output_size(self, x):
        output_size = int(x.size(2)) - self.receptive_fields
        if output_size < 1:
            raise ValueError(f"input has to be larger than {self.receptive_fields}, too short: {x.size(2)}")
        return output_size

    def forward(self, x):
        output = x.transpose(1, 2)
        size = self.calc_output_size(output)
        output = self.causal(output)[:, :, :-1]
        total = 0
        for conv, skip in zip(self.stack, self.skip):
            side = torch.tanh(conv(output))
            total = total + skip(side)[:, :, -size:]
            output = side + output[:, :, -side.size(2) :]
        output = self.last(torch.relu(total))
        return F.softmax(output.transpose(1, 2).contiguous(), dim=-1)


class TokenWaveNet(nn.Module):
    """Quantised audio as int64 (N, T) through an embedding."""

    def __init__(self, quantization: int = 256) -> None:
        super().__init__()
        self.embed = nn.Embedding(quantization, 24)
        self.convs = nn.ModuleList([CausalConv1d(24, 24, 2, 2**i) for i in range(8)])
        self.out = nn.Conv1d(24, quantization, 1)

    def forward(self, x):
        x = self.embed(x).transpose(1, 2)
        for conv in self.convs:
            x = x + torch.relu(conv(x))
        return self.out(x)


class OneHotWaveNet(nn.Module):
    """Quantised audio as int64 (N, T), one-hot inside."""

    def __init__(self, mu: int = 64) -> None:
        super().__init__()
        self.mu = mu
        self.front = CausalConv1d(mu, 24, 2)
        self.convs = nn.ModuleList([CausalConv1d(24, 24, 2, 2**i) for i in range(6)])
        self.out = nn.Conv1d(24, mu, 1)

    def forward(self, x):
        x = F.one_hot(x, self.mu).float().permute(0, 2, 1)
        x = self.front(x)
        for conv in self.convs:
            x = x + torch.relu(conv(x))
        return F.log_softmax(self.out(x), dim=1)


class ConditionedWaveNet(nn.Module):
    """(N, T) raw audio with a required speaker id."""

    def __init__(self) -> None:
        super().__init__()
        self.speaker = nn.Embedding(7, 16)
        self.conv = CausalConv1d(1, 16, 2)
        self.more = nn.ModuleList([CausalConv1d(16, 16, 2, 2**i) for i in range(6)])
        self.out = nn.Conv1d(16, 64, 1)

    def forward(self, audio, speaker_id):
        x = self.conv(audio.unsqueeze(1)) + self.speaker(speaker_id).unsqueeze(-1)
        for conv in self.more:
            x = x + torch.tanh(conv(x))
        return self.out(x)


class Chomp(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return x[:, :, : -self.size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, n_in, n_out, k, dilation):
        super().__init__()
        pad = (k - 1) * dilation
        self.net = nn.Sequential(
            nn.Conv1d(n_in, n_out, k, padding=pad, dilation=dilation), Chomp(pad), nn.ReLU(), nn.Dropout(0.2)
        )
        self.downsample = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else None

    def forward(self, x):
        return torch.relu(self.net(x) + (x if self.downsample is None else self.downsample(x)))


class TCNClassifier(nn.Module):
    """Channels-first TCN and a linear layer on the last step."""

    def __init__(self, input_size: int = 1, output_size: int = 10) -> None:
        super().__init__()
        self.tcn = nn.Sequential(*[TemporalBlock(input_size if i == 0 else 25, 25, 7, 2**i) for i in range(4)])
        self.linear = nn.Linear(25, output_size)

    def forward(self, inputs):
        y1 = self.tcn(inputs)
        return F.log_softmax(self.linear(y1[:, :, -1]), dim=1)


class TCNLanguageModel(nn.Module):
    """Tokens, TCN, decoder over every step: (N, T, vocabulary)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Embedding(60, 20)
        self.tcn = nn.Sequential(*[TemporalBlock(20, 20, 3, 2**i) for i in range(3)])
        self.decoder = nn.Linear(20, 60)

    def forward(self, input):
        emb = self.encoder(input)
        y = self.tcn(emb.transpose(1, 2)).transpose(1, 2)
        return self.decoder(y).contiguous()


class TCNRegression(nn.Module):
    """The adding problem: (N, 2, T) to (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.tcn = nn.Sequential(*[TemporalBlock(2 if i == 0 else 24, 24, 6, 2**i) for i in range(4)])
        self.linear = nn.Linear(24, 1)

    def forward(self, x):
        return self.linear(self.tcn(x)[:, :, -1])


class TCNMusic(nn.Module):
    """(N, T, 88) in and out, sigmoid at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.tcn = nn.Sequential(*[TemporalBlock(88 if i == 0 else 30, 30, 5, 2**i) for i in range(3)])
        self.linear = nn.Linear(30, 88)
        self.sig = nn.Sigmoid()

    def forward(self, x):
        output = self.tcn(x.transpose(1, 2)).transpose(1, 2)
        return self.sig(self.linear(output).double())


class RawAudioClassifier(nn.Module):
    """M5: strides and pools need thousands of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.pool1 = nn.Conv1d(1, 32, 80, 16), nn.BatchNorm1d(32), nn.MaxPool1d(4)
        self.conv2, self.pool2 = nn.Conv1d(32, 32, 3), nn.MaxPool1d(4)
        self.conv3, self.pool3 = nn.Conv1d(32, 64, 3), nn.MaxPool1d(4)
        self.fc1 = nn.Linear(64, 35)

    def forward(self, x):
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = self.pool3(F.relu(self.conv3(self.pool2(F.relu(self.conv2(x))))))
        x = F.avg_pool1d(x, x.shape[-1]).permute(0, 2, 1)
        return F.log_softmax(self.fc1(x), dim=2)
