"""A WaveNet genre classifier that is built from a config object with defaults, as in many research code bases.

Wrong for cross_entropy in one way: mu-law codes (N, T), pooled over time to (N, C), end in an nn.Softmax.
"""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

EXPECT = {
    "model": "WaveNetClassifier",
    "arg": {},
    "output_axes": ["batch", "class"],
    "loss": "cross_entropy",
    "codes": ["SC402"],
}


@dataclass
class WaveNetConfig:
    num_genres: int = 8
    quantization_channels: int = 256
    residual_channels: int = 24
    skip_channels: int = 48
    filter_width: int = 2
    dilations: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16] * 2)
    use_biases: bool = True
    dropout: float = 0.0


class ResidualLayer(nn.Module):
    def __init__(self, config: WaveNetConfig, dilation: int):
        super().__init__()
        self.left_pad = (config.filter_width - 1) * dilation
        self.dilated = nn.Conv1d(
            config.residual_channels,
            2 * config.residual_channels,
            config.filter_width,
            dilation=dilation,
            bias=config.use_biases,
        )
        self.dense = nn.Conv1d(config.residual_channels, config.residual_channels, 1, bias=config.use_biases)
        self.skip = nn.Conv1d(config.residual_channels, config.skip_channels, 1, bias=config.use_biases)

    def forward(self, x):
        filtered, gate = self.dilated(F.pad(x, (self.left_pad, 0))).chunk(2, dim=1)
        out = filtered.tanh() * gate.sigmoid()
        return x + self.dense(out), self.skip(out)


class WaveNetClassifier(nn.Module):
    def __init__(self, config: WaveNetConfig | None = None):
        super().__init__()
        self.config = config = config or WaveNetConfig()
        self.embedding = nn.Embedding(config.quantization_channels, config.residual_channels)
        self.layers = nn.ModuleList(ResidualLayer(config, dilation) for dilation in config.dilations)
        self.postprocess = nn.Sequential(
            nn.ReLU(), nn.Conv1d(config.skip_channels, config.skip_channels, 1), nn.ReLU(), nn.AdaptiveAvgPool1d(1)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(config.skip_channels, config.num_genres),
            nn.Softmax(dim=1),
        )

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.embedding(audio).permute(0, 2, 1)
        total = None
        for layer in self.layers:
            x, skip = layer(x)
            total = skip if total is None else total + skip
        return self.classifier(self.postprocess(total))
