import torch.nn as nn


class Head(nn.Module):
    def __init__(self, backbone: nn.Module, num_classes: int):
        super().__init__()
        self.backbone = backbone
        self.fc = nn.Linear(backbone.out_features, num_classes)

    def forward(self, x):
        return self.fc(self.backbone(x))
