"""A WaveNet whose sizes must all be given and whose convolutions shorten time, in the manner of golbin/WaveNet.

Right for cross_entropy: (N, C, T) one-hot audio to logits (N, C, T - receptive_fields). Too short an input raises the
repository's own exception, in words no layer of torch uses.
"""

import torch

EXPECT = {
    "model": "WaveNet",
    "arg": {"layer_size": 5, "stack_size": 2, "in_channels": 64, "res_channels": 20},
    "output_axes": ["batch", "class", "time"],
    "loss": "cross_entropy",
    "codes": [],
}


class InputSizeError(Exception):
    def __init__(self, input_size, receptive_fields, output_size):
        message = "Input size has to be larger than receptive_fields\n"
        message += f"Input size: {input_size}, Receptive fields size: {receptive_fields}, Output size: {output_size}"
        super().__init__(message)


class DilatedCausalConv1d(torch.nn.Module):
    def __init__(self, channels, dilation=1):
        super().__init__()
        self.conv = torch.nn.Conv1d(channels, channels, kernel_size=2, stride=1, dilation=dilation, bias=False)

    def forward(self, x):
        return self.conv(x)


class ResidualBlock(torch.nn.Module):
    def __init__(self, res_channels, skip_channels, dilation):
        super().__init__()
        self.dilated = DilatedCausalConv1d(res_channels, dilation=dilation)
        self.conv_res = torch.nn.Conv1d(res_channels, res_channels, 1)
        self.conv_skip = torch.nn.Conv1d(res_channels, skip_channels, 1)

    def forward(self, x, skip_size):
        output = self.dilated(x)
        gated = torch.tanh(output) * torch.sigmoid(output)
        output = self.conv_res(gated)
        output = output + x[:, :, -output.size(2) :]
        skip = self.conv_skip(gated)[:, :, -skip_size:]
        return output, skip


class ResidualStack(torch.nn.Module):
    def __init__(self, layer_size, stack_size, res_channels, skip_channels):
        super().__init__()
        self.res_blocks = torch.nn.ModuleList()
        for dilation in [2**i for _ in range(stack_size) for i in range(layer_size)]:
            self.res_blocks.append(ResidualBlock(res_channels, skip_channels, dilation))

    def forward(self, x, skip_size):
        output = x
        skip_connections = []
        for res_block in self.res_blocks:
            output, skip = res_block(output, skip_size)
            skip_connections.append(skip)
        return torch.stack(skip_connections)


class DensNet(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = torch.nn.Conv1d(channels, channels, 1)
        self.conv2 = torch.nn.Conv1d(channels, channels, 1)
        self.relu = torch.nn.ReLU()

    def forward(self, x):
        return self.conv2(self.relu(self.conv1(self.relu(x))))


class WaveNet(torch.nn.Module):
    def __init__(self, layer_size, stack_size, in_channels, res_channels):
        super().__init__()
        self.receptive_fields = stack_size * sum(2**i for i in range(layer_size))
        self.causal = torch.nn.Conv1d(in_channels, res_channels, kernel_size=2, padding=1, bias=False)
        self.res_stack = ResidualStack(layer_size, stack_size, res_channels, in_channels)
        self.densnet = DensNet(in_channels)

    def calc_output_size(self, x):
        output_size = int(x.size(2)) - self.receptive_fields
        if output_size < 1:
            raise InputSizeError(int(x.size(2)), self.receptive_fields, output_size)
        return output_size

    def forward(self, x):
        output_size = self.calc_output_size(x)
        output = self.causal(x)[:, :, :-1]
        skip_connections = self.res_stack(output, output_size)
        output = torch.sum(skip_connections, dim=0)
        return self.densnet(output)
