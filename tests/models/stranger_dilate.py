"""A generative WaveNet that dilates by folding time into the batch, in the manner of vincentherrmann/pytorch-wavenet.

Right for cross_entropy: valid convolutions shorten T to T' = T - receptive_field + 1, and the logits of all positions
are flattened to (N*T', 256), batch slowest. `dilate` mixes batch and time on purpose and undoes it: no scramble.
"""

import torch
import torch.nn.functional as F
from torch import nn

EXPECT = {
    "model": "WaveNetModel",
    "arg": {},
    "output_axes": ["merged", "class"],
    "loss": "cross_entropy",
    "codes": [],
}


def dilate(x, dilation, init_dilation=1):
    """(n, c, l) to (n * f, c, l / f) with f = dilation / init_dilation; the start is padded to a multiple of f."""
    n, c, length = x.size()
    factor = dilation / init_dilation
    if factor == 1:
        return x

    new_length = int(-(-length // factor) * factor)
    if new_length != length:
        x = F.pad(x, (new_length - length, 0))
        length = new_length

    length = round(length / factor)
    n = round(n * factor)
    x = x.permute(1, 2, 0).contiguous()  # (n, c, l) -> (c, l, n)
    x = x.view(c, length, n)
    return x.permute(2, 0, 1).contiguous()  # (c, l, n) -> (n, c, l)


class WaveNetModel(nn.Module):
    def __init__(
        self,
        layers=6,
        blocks=2,
        dilation_channels=16,
        residual_channels=16,
        skip_channels=32,
        end_channels=32,
        classes=256,
        kernel_size=2,
        bias=False,
    ):
        super().__init__()
        self.layers = layers
        self.blocks = blocks
        self.classes = classes
        self.kernel_size = kernel_size

        self.dilations = []
        self.filter_convs = nn.ModuleList()
        self.gate_convs = nn.ModuleList()
        self.residual_convs = nn.ModuleList()
        self.skip_convs = nn.ModuleList()
        self.start_conv = nn.Conv1d(in_channels=classes, out_channels=residual_channels, kernel_size=1, bias=bias)

        receptive_field = 1
        init_dilation = 1
        for _ in range(blocks):
            new_dilation = 1
            for _ in range(layers):
                self.dilations.append((new_dilation, init_dilation))
                self.filter_convs.append(nn.Conv1d(residual_channels, dilation_channels, kernel_size, bias=bias))
                self.gate_convs.append(nn.Conv1d(residual_channels, dilation_channels, kernel_size, bias=bias))
                self.residual_convs.append(nn.Conv1d(dilation_channels, residual_channels, 1, bias=bias))
                self.skip_convs.append(nn.Conv1d(dilation_channels, skip_channels, 1, bias=bias))
                receptive_field += (kernel_size - 1) * new_dilation
                init_dilation = new_dilation
                new_dilation *= 2

        self.end_conv_1 = nn.Conv1d(skip_channels, end_channels, 1, bias=True)
        self.end_conv_2 = nn.Conv1d(end_channels, classes, 1, bias=True)
        self.receptive_field = receptive_field

    def wavenet(self, input):
        x = self.start_conv(input)
        skip = 0
        for i in range(self.blocks * self.layers):
            dilation, init_dilation = self.dilations[i]
            residual = dilate(x, dilation, init_dilation)
            filter = torch.tanh(self.filter_convs[i](residual))
            gate = torch.sigmoid(self.gate_convs[i](residual))
            x = filter * gate

            s = dilate(x, 1, init_dilation=dilation)
            s = self.skip_convs[i](s)
            try:
                skip = skip[:, :, -s.size(2) :]
            except TypeError:
                skip = 0
            skip = s + skip

            x = self.residual_convs[i](x)
            x = x + residual[:, :, (self.kernel_size - 1) :]

        x = F.relu(skip)
        x = F.relu(self.end_conv_1(x))
        return self.end_conv_2(x)

    def forward(self, input):
        output_length = input.size(2) - self.receptive_field + 1
        if output_length < 1:
            raise ValueError(f"input of {input.size(2)} samples, receptive field of {self.receptive_field}")
        x = self.wavenet(input)

        # reshape output
        x = x[:, :, -output_length:]
        n, c, length = x.size()
        x = x.transpose(1, 2).contiguous()
        return x.view(n * length, c)
