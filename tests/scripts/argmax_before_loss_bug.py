import torch
import torch.nn as nn
import torch.nn.functional as F

N_CLASSES = 4


class ShapeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(2 * 12, 32)
        self.l2 = nn.Linear(32, N_CLASSES)

    def forward(self, outline):
        return self.l2(F.gelu(self.l1(outline.flatten(1))))


def outlines(n=25):
    shape = torch.randint(0, N_CLASSES, (n,))
    angle = torch.linspace(0, 6.28, 12)
    radius = 1 + 0.5 * torch.cos(angle * (shape.unsqueeze(1) + 2))
    xy = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
    return xy + 0.05 * torch.randn_like(xy), shape


torch.manual_seed(0)
model = ShapeNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for i in range(20):
    outline, shape = outlines()
    logits = model(outline)
    predicted = logits.argmax(dim=1).float().requires_grad_()
    loss = F.mse_loss(predicted, shape.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if i % 5 == 0:
        print(i, loss.item(), (logits.argmax(1) == shape).float().mean().item())
