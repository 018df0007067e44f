import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

model = nn.Sequential(
    nn.Conv2d(3, 12, 3, padding=1),
    nn.BatchNorm2d(12),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d((2, 2)),
    nn.Flatten(),
    nn.Linear(96, 32),
    nn.ReLU(),
    nn.Linear(32, 5),
    nn.Softmax(dim=1),
).to(device)

labels = torch.randint(0, 5, (120,))
colours = torch.randn(5, 3, 1, 1)
images = colours[labels] + 0.4 * torch.randn(120, 3, 14, 18)
train_dl = DataLoader(TensorDataset(images[:96], labels[:96]), batch_size=24, shuffle=True)
valid_dl = DataLoader(TensorDataset(images[96:], labels[96:]), batch_size=24)

loss_func = nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)


def loss_batch(xb, yb, opt=None):
    loss = loss_func(model(xb.to(device)), yb.to(device))
    if opt is not None:
        loss.backward()
        opt.step()
        opt.zero_grad()
    return loss.item(), len(xb)


for epoch in range(4):
    model.train()
    for xb, yb in train_dl:
        loss_batch(xb, yb, opt)
    model.eval()
    with torch.no_grad():
        losses, nums = zip(*[loss_batch(xb, yb) for xb, yb in valid_dl])
        confidence = torch.softmax(model(images[96:].to(device)), dim=1).amax(1).mean().item()
    print(epoch, sum(l * n for l, n in zip(losses, nums)) / sum(nums), f"confidence {confidence:.2f}")
