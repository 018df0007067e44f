import torch.nn as nn

cfg = {"VGG11": [64, "M", 128, "M"], "VGG13": [64, 64, "M", 128, 128, "M"]}


class VGG(nn.Module):
    def __init__(self, vgg_name):
        super().__init__()
        self.features = self._make_layers(cfg[vgg_name])
        self.classifier = nn.Linear(128, 10)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))

    def _make_layers(self, cfg):
        layers, in_channels = [], 3
        for x in cfg:
            if x == "M":
                layers += [nn.MaxPool2d(2, 2)]
            else:
                layers += [nn.Conv2d(in_channels, x, 3, padding=1), nn.ReLU()]
                in_channels = x
        return nn.Sequential(*layers)
