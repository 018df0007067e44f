"""A WaveNet that takes and gives channels last and ends in a softmax, in the manner of golbin/WaveNet.

Wrong twice for cross_entropy: (N, T, C) one-hot audio to (N, T, C) with classes last, and probabilities where logits
are expected.
"""

import torch
import torch.nn.functional as F
from torch import nn

EXPECT = {
    "model": "WaveNet",
    "arg": {},
    "output_axes": ["batch", "time", "class"],
    "loss": "cross_entropy",
    "codes": ["SC101", "SC402"],
}


class CausalConv1d(nn.Module):
    """Padding on both sides, cut off at the end."""

    def __init__(self, in_channels, out_channels, kernel_size=2, dilation=1):
        super().__init__()
        self.padding = (kernel_size - 1) * dilation
        self.conv = nn.Conv1d(
            in_channels, out_channels, kernel_size, padding=self.padding, dilation=dilation, bias=False
        )

    def forward(self, x):
        return self.conv(x)[:, :, : -self.padding]


class ResidualBlock(nn.Module):
    def __init__(self, res_channels, skip_channels, dilation):
        super().__init__()
        self.dilated = CausalConv1d(res_channels, res_channels, dilation=dilation)
        self.conv_res = nn.Conv1d(res_channels, res_channels, 1)
        self.conv_skip = nn.Conv1d(res_channels, skip_channels, 1)
        self.gate_tanh = nn.Tanh()
        self.gate_sigmoid = nn.Sigmoid()

    def forward(self, x):
        output = self.dilated(x)
        gated = self.gate_tanh(output) * self.gate_sigmoid(output)
        return self.conv_res(gated) + x, self.conv_skip(gated)


class WaveNet(nn.Module):
    def __init__(self, in_channels=256, res_channels=24, skip_channels=40, layer_size=5, stack_size=2):
        super().__init__()
        self.causal = CausalConv1d(in_channels, res_channels)
        self.res_blocks = nn.ModuleList(
            [ResidualBlock(res_channels, skip_channels, 2**i) for _ in range(stack_size) for i in range(layer_size)]
        )
        self.conv1 = nn.Conv1d(skip_channels, skip_channels, 1)
        self.conv2 = nn.Conv1d(skip_channels, in_channels, 1)

    def forward(self, x):
        """
        :param x: Tensor[batch, timestep, channels]
        :return: Tensor[batch, timestep, channels]
        """
        output = self.causal(x.transpose(1, 2))
        skip_connections = []
        for block in self.res_blocks:
            output, skip = block(output)
            skip_connections.append(skip)
        output = torch.sum(torch.stack(skip_connections), dim=0)
        output = self.conv1(F.relu(output))
        output = self.conv2(F.relu(output))
        output = output.transpose(1, 2).contiguous()
        return F.softmax(output, dim=-1)
