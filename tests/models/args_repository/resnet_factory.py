import torch.nn as nn
from resnet_blocks import BasicBlock as Base


class Bottleneck(nn.Module):
    expansion = 2

    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inplanes, planes * 2, 3, stride, 1)

    def forward(self, x):
        return self.conv(x)


class ResNeXt(nn.Module):
    def __init__(self, block, layers, num_classes):
        super().__init__()
        self.inplanes = 64
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer4 = self._make_layer(block, 128, layers[3], 2)
        self.fc = nn.Linear(128 * block.expansion, num_classes)

    def _make_layer(self, block, planes, blocks, stride=1):
        layers = [block(self.inplanes, planes, stride)]
        self.inplanes = planes * block.expansion
        layers += [block(self.inplanes, planes) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        return self.fc(self.layer4(self.layer1(self.conv1(x))).mean((2, 3)))


def _resnext(block, layers, **kwargs):
    return ResNeXt(block, layers, **kwargs)


def resnext50(num_classes=17):
    return _resnext(Bottleneck, [3, 4, 6, 3], num_classes=num_classes)
