"""A small network for segmentation that scores every pixel by a linear layer, and so has its classes last.

shapecheck examples/segmenter.py:Net --loss dice_loss --rules examples/rules
"""

from torch import Tensor, nn


class Net(nn.Module):
    """Images (N, 3, H, W) -> logits (N, H, W, C)."""

    def __init__(self, classes: int = 4, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).movedim(1, -1))


class NetChannelsFirst(Net):
    """Images (N, 3, H, W) -> logits (N, C, H, W), as dice_loss and focal_loss read them."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).movedim(-1, 1)
