"""A music tagger on raw audio: a strided front, then a temporal convolutional network, one tag per frame.

Right for cross_entropy: (N, 1, T) to (N, C, T/4). The blocks are not causal, with batch norm, as taggers are.
"""

from torch import nn

EXPECT = {
    "model": "FrameTagger",
    "arg": {},
    "output_axes": ["batch", "class", "time"],
    "loss": "cross_entropy",
    "codes": [],
}


def conv_bn(n_in, n_out, kernel, stride=1, dilation=1):
    return nn.Sequential(
        nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=dilation * (kernel - 1) // 2, dilation=dilation),
        nn.BatchNorm1d(n_out),
        nn.ELU(inplace=True),
    )


class DilatedBlock(nn.Module):
    def __init__(self, width, dilation, p_drop):
        super().__init__()
        self.conv = conv_bn(width, width, 3, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout1d(p_drop)

    def forward(self, x):
        return x + self.drop(self.mix(self.conv(x)))


class FrameTagger(nn.Module):
    def __init__(self, num_tags=23, width=32, num_blocks=5, p_drop=0.1):
        super().__init__()
        self.front = nn.Sequential(
            conv_bn(1, width // 2, 5, stride=2),
            conv_bn(width // 2, width, 5, stride=2),
        )
        self.blocks = nn.Sequential(*(DilatedBlock(width, 2**i, p_drop) for i in range(num_blocks)))
        self.head = nn.Conv1d(width, num_tags, 1)

    def forward(self, waveform):
        return self.head(self.blocks(self.front(waveform)))
