from collections import OrderedDict
from dataclasses import dataclass
import torch
import torch.nn as nn


class ModelOutput(OrderedDict):
    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name)


@dataclass
class MiniConfig:
    vocab_size: int = 120
    hidden_size: int = 32
    num_labels: int = 3
    num_heads: int = 4


class MiniBertForSequenceClassification(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=0)
        self.encoder = nn.TransformerEncoderLayer(
            config.hidden_size, config.num_heads, 64, dropout=0.1, activation="gelu", batch_first=True)
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(self.embeddings(input_ids), src_key_padding_mask=attention_mask == 0)
        pooled = torch.tanh(self.pooler(hidden[:, 0]))
        return ModelOutput(logits=self.classifier(pooled), hidden_states=hidden)


def entailment(n=60):
    labels = torch.arange(n) % 3
    ids = torch.randint(4, 120, (n, 16))
    ids[:, 0] = labels + 1
    mask = torch.ones_like(ids)
    mask[::2, 12:] = 0
    return [{"input_ids": i * m, "attention_mask": m, "labels": y} for i, m, y in zip(ids, mask, labels)]


def main():
    torch.manual_seed(0)
    model = MiniBertForSequenceClassification(MiniConfig())
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loader = torch.utils.data.DataLoader(entailment(), batch_size=15, shuffle=True)
    for epoch in range(4):
        for batch in loader:
            labels = batch.pop("labels")
            outputs = model(**batch)
            loss = criterion(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.3f}")


if __name__ == "__main__":
    main()
