"""A character-level language model with a temporal convolutional network, in the manner of locuslab/TCN.

Wrong for cross_entropy as it stands: character codes (N, L) to logits (N, L, C), classes last. The decoder is a Linear
whose weight is tied to the embedding, so as many characters go in as come out.
"""

import torch
from torch import nn

EXPECT = {
    "model": "TCN",
    "arg": {"input_size": 24, "output_size": 98, "num_channels": [32, 32, 24]},
    "output_axes": ["batch", "time", "class"],
    "loss": "cross_entropy",
    "codes": ["SC101"],
}


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super().__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, n_inputs, n_outputs, kernel_size, dilation, dropout):
        super().__init__()
        padding = (kernel_size - 1) * dilation
        self.net = nn.Sequential(
            nn.Conv1d(n_inputs, n_outputs, kernel_size, padding=padding, dilation=dilation),
            Chomp1d(padding),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(n_outputs, n_outputs, kernel_size, padding=padding, dilation=dilation),
            Chomp1d(padding),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else nn.Identity()

    def forward(self, x):
        return torch.relu(self.net(x) + self.downsample(x))


class TemporalConvNet(nn.Module):
    def __init__(self, num_inputs, num_channels, kernel_size=2, dropout=0.2):
        super().__init__()
        widths = [num_inputs, *list(num_channels)]
        self.network = nn.Sequential(
            *[TemporalBlock(widths[i], widths[i + 1], kernel_size, 2**i, dropout) for i in range(len(num_channels))]
        )

    def forward(self, x):
        return self.network(x)


class TCN(nn.Module):
    def __init__(self, input_size, output_size, num_channels, kernel_size=3, dropout=0.3, emb_dropout=0.1):
        super().__init__()
        self.encoder = nn.Embedding(output_size, input_size)
        self.tcn = TemporalConvNet(input_size, num_channels, kernel_size=kernel_size, dropout=dropout)
        self.decoder = nn.Linear(input_size, output_size)
        self.decoder.weight = self.encoder.weight
        self.drop = nn.Dropout(emb_dropout)
        self.init_weights()

    def init_weights(self):
        self.encoder.weight.data.normal_(0, 0.01)
        self.decoder.bias.data.fill_(0)

    def forward(self, x):
        # input has dimension (N, L_in), and emb has dimension (N, L_in, C_in)
        emb = self.drop(self.encoder(x))
        y = self.tcn(emb.transpose(1, 2))
        y = self.decoder(y.transpose(1, 2))
        return y.contiguous()
