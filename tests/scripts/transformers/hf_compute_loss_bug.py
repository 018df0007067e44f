import tempfile

import torch
from torch import nn
from transformers import Trainer, TrainingArguments


class WeightedTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        labels = inputs.pop("labels")
        logits = model(**inputs)
        logits = logits.softmax(dim=-1)
        criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0, 0.5]))
        loss = criterion(logits, labels)
        return (loss, {"logits": logits}) if return_outputs else loss


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.EmbeddingBag(50, 20)
        self.norm = nn.LayerNorm(20)
        self.out = nn.Linear(20, 4)

    def forward(self, input_ids):
        return self.out(self.norm(self.words(input_ids)))


def dataset(n=60):
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 4
    ids = torch.randint(0, 12, (n, 9), generator=g) * 4 + labels.unsqueeze(1)
    return [{"input_ids": i, "labels": y} for i, y in zip(ids, labels)]


if __name__ == "__main__":
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=15, num_train_epochs=3, learning_rate=1e-2, report_to=[],
            save_strategy="no", use_cpu=True, disable_tqdm=True, logging_steps=4, remove_unused_columns=False)
        WeightedTrainer(model=Bag(), args=args, train_dataset=dataset()).train()
