"""A WaveNet vocoder with optional local and global conditioning, in the manner of r9y9/wavenet_vocoder.

Right for cross_entropy: one-hot audio (B, C, T) to logits (B, C, T). The softmax runs only if it is asked for, and `c`
and `g` may stay None. The convolutions are a subclass of nn.Conv1d under the old, deprecated weight norm.
"""

import math
import warnings

import torch
from torch import nn
from torch.nn import functional as F

EXPECT = {
    "model": "WaveNet",
    "arg": {},
    "output_axes": ["batch", "class", "time"],
    "loss": "cross_entropy",
    "codes": [],
}


class Conv1d(nn.Conv1d):
    """Convolution that could also run one sample at a time."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.input_buffer = None

    def clear_buffer(self):
        self.input_buffer = None


def weight_normed_conv1d(in_channels, out_channels, kernel_size, dropout=0, std_mul=4.0, **kwargs):
    m = Conv1d(in_channels, out_channels, kernel_size, **kwargs)
    std = math.sqrt((std_mul * (1.0 - dropout)) / (m.kernel_size[0] * in_channels))
    m.weight.data.normal_(mean=0, std=std)
    if m.bias is not None:
        m.bias.data.zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(m)


def Conv1d1x1(in_channels, out_channels, bias=True):
    return weight_normed_conv1d(in_channels, out_channels, kernel_size=1, padding=0, dilation=1, bias=bias)


def _conv1x1_forward(conv, x):
    return None if conv is None or x is None else conv(x)


def _expand_global_features(B, T, g):
    """(B, C) or (B, C, 1) to (B, C, T)."""
    if g is None:
        return None
    g = g.unsqueeze(-1) if g.dim() == 2 else g
    return g.expand(B, -1, T).contiguous()


class ResidualConv1dGLU(nn.Module):
    def __init__(
        self,
        residual_channels,
        gate_channels,
        kernel_size,
        skip_out_channels=None,
        cin_channels=-1,
        gin_channels=-1,
        dropout=1 - 0.95,
        dilation=1,
        causal=True,
        bias=True,
    ):
        super().__init__()
        self.dropout = dropout
        self.causal = causal
        skip_out_channels = residual_channels if skip_out_channels is None else skip_out_channels
        padding = (kernel_size - 1) * dilation if causal else (kernel_size - 1) // 2 * dilation
        self.conv = weight_normed_conv1d(
            residual_channels, gate_channels, kernel_size, padding=padding, dilation=dilation, bias=bias
        )
        self.conv1x1c = Conv1d1x1(cin_channels, gate_channels, bias=False) if cin_channels > 0 else None
        self.conv1x1g = Conv1d1x1(gin_channels, gate_channels, bias=False) if gin_channels > 0 else None
        self.conv1x1_out = Conv1d1x1(gate_channels // 2, residual_channels, bias=bias)
        self.conv1x1_skip = Conv1d1x1(gate_channels // 2, skip_out_channels, bias=bias)

    def forward(self, x, c=None, g=None):
        residual = x
        x = F.dropout(x, p=self.dropout, training=self.training)
        x = self.conv(x)
        x = x[:, :, : residual.size(-1)] if self.causal else x
        a, b = x.split(x.size(1) // 2, dim=1)

        for condition in (_conv1x1_forward(self.conv1x1c, c), _conv1x1_forward(self.conv1x1g, g)):
            if condition is not None:
                ca, cb = condition.split(condition.size(1) // 2, dim=1)
                a, b = a + ca, b + cb

        x = torch.tanh(a) * torch.sigmoid(b)
        s = self.conv1x1_skip(x)
        x = self.conv1x1_out(x)
        return (x + residual) * math.sqrt(0.5), s


class WaveNet(nn.Module):
    def __init__(
        self,
        out_channels=256,
        layers=12,
        stacks=2,
        residual_channels=32,
        gate_channels=32,
        skip_out_channels=32,
        kernel_size=3,
        dropout=1 - 0.95,
        cin_channels=-1,
        gin_channels=-1,
        n_speakers=None,
        scalar_input=False,
        use_speaker_embedding=False,
    ):
        super().__init__()
        self.scalar_input = scalar_input
        self.out_channels = out_channels
        self.cin_channels = cin_channels
        assert layers % stacks == 0
        layers_per_stack = layers // stacks
        self.first_conv = Conv1d1x1(1 if scalar_input else out_channels, residual_channels)
        self.conv_layers = nn.ModuleList()
        for layer in range(layers):
            self.conv_layers.append(
                ResidualConv1dGLU(
                    residual_channels,
                    gate_channels,
                    kernel_size=kernel_size,
                    skip_out_channels=skip_out_channels,
                    dilation=2 ** (layer % layers_per_stack),
                    dropout=dropout,
                    cin_channels=cin_channels,
                    gin_channels=gin_channels,
                )
            )
        self.last_conv_layers = nn.ModuleList(
            [
                nn.ReLU(inplace=True),
                Conv1d1x1(skip_out_channels, skip_out_channels),
                nn.ReLU(inplace=True),
                Conv1d1x1(skip_out_channels, out_channels),
            ]
        )
        self.embed_speakers = None
        if gin_channels > 0 and use_speaker_embedding:
            self.embed_speakers = nn.Embedding(n_speakers, gin_channels)

    def forward(self, x, c=None, g=None, softmax=False):
        """Forward step

        Args:
            x (Tensor): One-hot encoded audio signal, shape (B x C x T)
            c (Tensor): Local conditioning features, shape (B x cin_channels x T)
            g (Tensor): Global conditioning features, shape (B x gin_channels x 1) or speaker ids (B x 1)
            softmax (bool): Whether applies softmax or not.

        Returns:
            Tensor: output, shape B x out_channels x T
        """
        B, _, T = x.size()
        if g is not None and self.embed_speakers is not None:
            g = self.embed_speakers(g.view(B, -1)).transpose(1, 2)
            assert g.dim() == 3
        g_bct = _expand_global_features(B, T, g)
        if c is not None:
            assert c.size(-1) == x.size(-1)

        x = self.first_conv(x)
        skips = 0
        for f in self.conv_layers:
            x, h = f(x, c, g_bct)
            skips += h
        skips *= math.sqrt(1.0 / len(self.conv_layers))

        x = skips
        for f in self.last_conv_layers:
            x = f(x)
        return F.softmax(x, dim=1) if softmax else x

    def clear_buffer(self):
        self.first_conv.clear_buffer()
