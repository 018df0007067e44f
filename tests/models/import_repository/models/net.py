import threading
import time

import torch.nn as nn

from pkg.blocks import Block
from tools.data import CLASSES, loader, names

threading.Thread(target=time.sleep, args=(1000,)).start()


class Net(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.block = Block(13)
        self.head = nn.Linear(13, CLASSES)

    def forward(self, x):
        return self.head(self.block(x))
