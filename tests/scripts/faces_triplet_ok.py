import torch
import torch.nn as nn
import torch.nn.functional as F


class FaceEncoder(nn.Module):
    def __init__(self, dim=14):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU())
        self.fc = nn.LazyLinear(dim)

    def forward(self, face):
        return F.normalize(self.fc(self.conv(face).flatten(1)), dim=1)


class TripletFaces(torch.utils.data.Dataset):
    def __init__(self, people=6, size=60):
        g = torch.Generator().manual_seed(0)
        self.templates = torch.randn(people, 1, 13, 13, generator=g)
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        a, b = i % 6, (i + 1 + i // 6 % 5) % 6
        noise = 0.8 * torch.randn(3, 1, 13, 13)
        return self.templates[a] + noise[0], self.templates[a] + noise[1], self.templates[b] + noise[2]


def main():
    torch.manual_seed(0)
    net = FaceEncoder()
    net(torch.zeros(1, 1, 13, 13))
    loss_func = nn.TripletMarginLoss(margin=0.5)
    optim = torch.optim.Adam(net.parameters(), lr=3e-3)
    loader = torch.utils.data.DataLoader(TripletFaces(), batch_size=12)
    for epoch in range(4):
        for anchor, positive, negative in loader:
            emb_a = net(anchor)
            emb_p, emb_n = net(positive), net(negative)
            loss = loss_func(emb_a, emb_p, emb_n)
            optim.zero_grad()
            loss.backward()
            optim.step()
        print("epoch", epoch, "triplet", loss.item())


if __name__ == "__main__":
    main()
