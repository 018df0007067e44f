import itertools

import torch
import torch.nn as nn
import torch.nn.functional as F

QUERIES, CLASSES = 4, 3


class SetDetector(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.backbone = nn.Conv2d(1, dim, 4, stride=4)
        self.queries = nn.Parameter(torch.randn(QUERIES, dim))
        self.decoder = nn.TransformerDecoderLayer(dim, 2, 48, 0.0, batch_first=True)
        self.class_head = nn.Linear(dim, CLASSES + 1)
        self.box_head = nn.Linear(dim, 4)

    def forward(self, image):
        memory = self.backbone(image).flatten(2).transpose(1, 2)
        h = self.decoder(self.queries.expand(image.size(0), -1, -1), memory)
        return {"pred_logits": self.class_head(h), "pred_boxes": self.box_head(h).sigmoid()}


@torch.no_grad()
def match(outputs, targets):
    matches = []
    for logits, boxes, t in zip(outputs["pred_logits"], outputs["pred_boxes"], targets):
        cost = torch.cdist(boxes, t["boxes"], p=1) - logits.softmax(-1)[:, t["labels"]]
        best = min(itertools.permutations(range(QUERIES), len(t["labels"])),
                   key=lambda p: sum(cost[q, j].item() for j, q in enumerate(p)))
        matches.append(torch.tensor(best))
    return matches


def criterion(outputs, targets):
    matches = match(outputs, targets)
    batch = torch.cat([torch.full_like(m, i) for i, m in enumerate(matches)])
    query = torch.cat(matches)
    classes = torch.full(outputs["pred_logits"].shape[:2], CLASSES)
    classes[batch, query] = torch.cat([t["labels"] for t in targets])
    weight = torch.tensor([1.0] * CLASSES + [0.1])
    loss_ce = F.cross_entropy(outputs["pred_logits"].transpose(1, 2), classes, weight)
    loss_box = F.l1_loss(outputs["pred_boxes"][batch, query], torch.cat([t["boxes"] for t in targets]))
    return loss_ce + 5 * loss_box


torch.manual_seed(0)
model = SetDetector()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(15):
    targets = [{"labels": torch.randint(0, CLASSES, (k,)), "boxes": torch.rand(k, 4)} for k in (1, 2, 2, 1, 2)]
    image = torch.stack([t["boxes"].mean() + torch.randn(1, 12, 16) * 0.1 for t in targets])
    loss = criterion(model(image), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("set loss", loss.item())
