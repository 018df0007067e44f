"""Wall time of a check against the imports it cannot do without: ratios of medians within one run.

python tests/benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = "loss: cross_entropy\noutput: {shape: [32, 10, 20], dtype: float32}\ntarget: {shape: [32], dtype: int64}\n"
BARE = f"""
import sys
sys.path.insert(0, {str(ROOT / "examples")!r})
import torch
import torch.nn.functional as F
from wavenet import WaveNet
torch.set_num_threads(1)
model = WaveNet()
output = model(torch.randint(0, 256, (5, 97)))
try:
    F.cross_entropy(output, torch.randint(0, 10, (5,)))
except RuntimeError as error:
    print(error)
"""


def seconds(command: list[str]) -> float:
    """Wall time of a command, its output thrown away."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, check=False)
    return time.perf_counter() - began


def compare(title: str, ours: list[str], bare: list[str], budget: float, runs: int) -> None:
    """Alternate the two, so that what else the machine does hits both."""
    seconds(ours)
    pairs = [(seconds(ours), seconds(bare)) for _ in range(runs)]
    mine, theirs = (statistics.median(times) for times in zip(*pairs))
    print(f"{title}: {mine:.3f} s, bare {theirs:.3f} s, ratio {mine / theirs:.2f} (budget {budget})")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    python = sys.executable
    command = str(Path(python).parent / "shapecheck")
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.yaml"
        spec.write_text(SPEC)
        many = Path(folder) / "many.yaml"
        entry = "  - {loss: cross_entropy, output: [32, 10, 20], target: [32, 20]}\n"
        many.write_text("checks:\n" + entry * 1000)
        imports = [python, "-c", "import typer, rich, yaml"]
        compare("one spec", [command, str(spec)], imports, 2.0, runs)
        compare("1,000 specs", [command, str(many)], imports, float("nan"), max(runs // 3, 1))
    target = [command, "examples/wavenet.py:WaveNet", "--loss", "cross_entropy"]
    compare("WaveNet", target, [python, "-c", BARE], 1.25, runs)


if __name__ == "__main__":
    main()
