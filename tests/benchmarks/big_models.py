"""Peak memory and wall time of checking models far too large for the machine, against building them on fake tensors alone.

python tests/benchmarks/big_models.py [RUNS] [NAME...]        (needs the transformers package)
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = {
    "llama": ("LlamaForCausalLM, LlamaConfig", "LlamaForCausalLM(LlamaConfig())"),
    "mistral": ("MistralForCausalLM, MistralConfig", "MistralForCausalLM(MistralConfig())"),
    "qwen": (
        "Qwen2ForCausalLM, Qwen2Config",
        "Qwen2ForCausalLM(Qwen2Config(hidden_size=8192, intermediate_size=29568, num_hidden_layers=80, "
        "num_attention_heads=64, num_key_value_heads=8))",
    ),
    "neox": ("GPTNeoXForCausalLM, GPTNeoXConfig", "GPTNeoXForCausalLM(GPTNeoXConfig())"),
    "falcon": ("FalconForCausalLM, FalconConfig", "FalconForCausalLM(FalconConfig())"),
    "t5": (
        "T5ForConditionalGeneration, T5Config",
        "T5ForConditionalGeneration(T5Config(d_model=1024, d_kv=128, d_ff=65536, num_layers=24, num_heads=128))",
    ),
    "mixtral": (
        "MixtralForCausalLM, MixtralConfig",
        "MixtralForCausalLM(MixtralConfig(hidden_size=2048, intermediate_size=7168, num_hidden_layers=12))",
    ),
    "vit": (
        "ViTForImageClassification, ViTConfig",
        "ViTForImageClassification(ViTConfig(hidden_size=1664, intermediate_size=8192, num_hidden_layers=48, "
        "num_attention_heads=16, image_size=224, patch_size=14, num_labels=1000))",
    ),
    "bert": (
        "BertForSequenceClassification, BertConfig",
        "BertForSequenceClassification(BertConfig(hidden_size=2560, intermediate_size=10240, num_hidden_layers=40, "
        "num_attention_heads=40, num_labels=7))",
    ),
}  # fmt: skip
BARE = """
from transformers import {names}
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode():
    model = {build}
"""
MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.run(json.loads(sys.argv[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
print(json.dumps([status, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))
"""


def measured(command: list[str]) -> tuple[int, float, float]:
    """Exit status, seconds and peak MiB of a command and everything it starts."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(command)], capture_output=True, text=True, check=True
    )
    status, seconds, mebibytes = json.loads(done.stdout)
    return status, seconds, mebibytes


def compare(name: str, folder: Path, runs: int) -> None:
    """Alternate the two, so that what else the machine does hits both."""
    names, build = MODELS[name]
    file = folder / f"{name}.py"
    file.write_text(f"from transformers import {names}\n\n\ndef build():\n    return {build}\n")
    ours = [sys.executable, "-m", "shapecheck", f"{file}:build", "--loss", "cross_entropy"]
    bare = [sys.executable, "-c", BARE.format(names=names, build=build)]
    measured(ours)
    pairs = [(measured(ours), measured(bare)) for _ in range(runs)]
    seconds, plain_seconds = (statistics.median(each[1] for each in column) for column in zip(*pairs))
    memory, plain_memory = (statistics.median(each[2] for each in column) for column in zip(*pairs))
    status = pairs[0][0][0]
    print(
        f"{name:8} exit {status}  {seconds:6.2f} s, bare {plain_seconds:5.2f} s, ratio {seconds / plain_seconds:.2f} (budget 1.5)  "
        f"{memory:5.0f} MiB, bare {plain_memory:5.0f} MiB, ratio {memory / plain_memory:.2f} (budget 1.3)",
        flush=True,
    )


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[2:] or MODELS:
            compare(name, Path(folder), runs)


if __name__ == "__main__":
    main()
