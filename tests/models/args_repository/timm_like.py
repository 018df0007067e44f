import torch.nn as nn


def create_model(model_name: str, pretrained: bool = False, **kwargs):
    raise RuntimeError(f"Unknown model ({model_name})")
