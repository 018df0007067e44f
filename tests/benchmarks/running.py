"""What `shapecheck run` costs against `python script.py` up to the same point: best of several, taken in turn.

python tests/benchmarks/running.py [ROUNDS] [small|resnet]...
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATIO, FIXED = 1.5, 0.5  # seconds
ROUNDS = 5

SMALL = """
import torch
from torch import nn
import torch.nn.functional as F

model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.randn(32, 20), torch.randint(0, 5, (32,))
loss = F.cross_entropy(model(x), y)
loss.backward()
optimizer.step()
"""

RESNET = """
import torch
from torch import nn
import torch.nn.functional as F

class Block(nn.Module):
    def __init__(self, ins, outs, stride):
        super().__init__()
        self.a = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.na, self.nb = nn.BatchNorm2d(outs), nn.BatchNorm2d(outs)
        self.skip = nn.Conv2d(ins, outs, 1, stride, bias=False) if ins != outs or stride != 1 else nn.Identity()
    def forward(self, x):
        return F.relu(self.nb(self.b(F.relu(self.na(self.a(x))))) + self.skip(x))

class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [64, 64, 64, 128, 128, 256, 256, 512, 512]
        self.stem = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.body = nn.Sequential(*[Block(i, o, 1 if i == o else 2) for i, o in zip(sizes, sizes[1:])])
        self.head = nn.Linear(512, 10)
    def forward(self, x):
        return self.head(self.body(F.relu(self.stem(x))).mean((2, 3)))

model = ResNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
x, y = torch.randn(16, 3, 64, 64), torch.randint(0, 10, (16,))
loss = criterion(model(x), y)
loss.backward()
optimizer.step()
"""


SCRIPTS = {"small": SMALL, "resnet": RESNET}


def seconds(folder: str, *words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words, "train.py"], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    for name in sys.argv[2:] or SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "train.py").write_text(SCRIPTS[name])
            pairs = [(seconds(folder), seconds(folder, "-m", "shapecheck", "run")) for _ in range(rounds)]
        alone, checked = (min(column) for column in zip(*pairs))
        told = "ok" if checked <= RATIO * alone + FIXED else f"more than {RATIO} times and {FIXED} s"
        print(f"{name:8} python {alone:5.2f} s, shapecheck run {checked:5.2f} s, {checked / alone:4.2f} times  {told}")


if __name__ == "__main__":
    main()
