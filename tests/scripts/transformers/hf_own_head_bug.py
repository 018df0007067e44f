import tempfile

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Trainer, TrainingArguments


class Reviews(torch.utils.data.Dataset):
    def __init__(self, n=48):
        g = torch.Generator().manual_seed(0)
        self.ids = torch.randint(4, 60, (n, 12), generator=g)
        self.stars = torch.arange(n) % 3 + 1
        self.ids[:, 0] = self.stars

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        return {"input_ids": self.ids[i], "labels": self.stars[i]}


class StarClassifier(nn.Module):
    def __init__(self, num_labels=3):
        super().__init__()
        self.embed = nn.Embedding(60, 24)
        self.encoder = nn.TransformerEncoderLayer(24, 2, 48, 0.0, batch_first=True)
        self.classifier = nn.Linear(24, num_labels)

    def forward(self, input_ids, labels=None):
        logits = self.classifier(self.encoder(self.embed(input_ids))[:, 0])
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def main():
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=12, num_train_epochs=2, learning_rate=5e-3, report_to=[],
            save_strategy="no", use_cpu=True, disable_tqdm=True, logging_steps=4)
        Trainer(model=StarClassifier(), args=args, train_dataset=Reviews()).train()


if __name__ == "__main__":
    main()
