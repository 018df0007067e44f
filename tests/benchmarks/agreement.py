"""How far the rule files agree with torch on the whole enumeration: a table with one line for each loss.

python tests/benchmarks/agreement.py [LOSS ...]
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from contract_calls import compare  # noqa: E402
from contract_losses import DESCRIBED  # noqa: E402
from contract_spaces import every_pair, sample  # noqa: E402

WHOLE = 30_000  # calls of each space, as in the slow tests


def main(losses: list[str]) -> None:
    print(f"{'loss':<34}{'calls':>10}{'accepted':>10}{'float32, int64 differ':>24}{'others differ':>15}{'seconds':>9}")
    for loss in losses:
        began = time.perf_counter()
        count = compare(itertools.chain(every_pair(loss), sample(loss, WHOLE)))
        figures = f"{count.total:>10,}{count.accepted:>10,}{len(count.plain):>24}{len(count.other):>15}"
        print(f"{loss:<34}{figures}{time.perf_counter() - began:>9.0f}", flush=True)
        for line in count.differing[:5]:
            print(f"    {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(DESCRIBED))
