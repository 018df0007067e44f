import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 3, padding=1)
        self.fc1 = nn.Linear(16 * 4 * 4, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.reshape(-1, 16 * 4 * 4)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def loader(count, batch_size):
    g = torch.Generator().manual_seed(0)
    prototypes = torch.randn(10, 3, 32, 16, generator=g)
    for _ in range(count):
        labels = torch.randint(0, 10, (batch_size,), generator=g)
        yield prototypes[labels] + 0.5 * torch.randn(batch_size, 3, 32, 16, generator=g), labels


torch.manual_seed(0)
net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
running_loss = 0.0
for i, data in enumerate(loader(16, 8), 0):
    inputs, labels = data
    optimizer.zero_grad()
    outputs = net(inputs)
    loss = criterion(outputs, labels)
    loss.backward()
    optimizer.step()
    running_loss += loss.item()
    if i % 4 == 3:
        print("[%5d] loss: %.3f" % (i + 1, running_loss / 4))
        running_loss = 0.0
print("Finished Training")
