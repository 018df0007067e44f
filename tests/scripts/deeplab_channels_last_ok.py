import torch
import torch.nn as nn


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.pw1 = nn.Linear(dim, 2 * dim)
        self.pw2 = nn.Linear(2 * dim, dim)

    def forward(self, x):
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.pw2(nn.functional.gelu(self.pw1(self.norm(y))))
        return x + y.permute(0, 3, 1, 2)


class CropSegmenter(nn.Module):
    def __init__(self, bands=3, dim=16, crops=5):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(bands, dim, 3, padding=1), LayerNorm2d(dim))
        self.blocks = nn.Sequential(ConvNeXtBlock(dim), ConvNeXtBlock(dim))
        self.head = nn.Linear(dim, crops)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        x = self.head(x.permute(0, 2, 3, 1))
        return x.permute(0, 3, 1, 2)


def main():
    torch.manual_seed(0)
    model = CropSegmenter()
    weights = torch.tensor([1.0, 1.0, 2.0, 1.0, 0.5])
    criterion = nn.CrossEntropyLoss(weight=weights)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    palette = torch.randn(5, 3)
    for step in range(12):
        fields = torch.randint(0, 5, (4, 3, 4)).repeat_interleave(3, 1).repeat_interleave(4, 2)
        image = palette[fields].permute(0, 3, 1, 2) + 0.2 * torch.randn(4, 3, 9, 16)
        loss = criterion(model(image), fields)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(loss.item())


if __name__ == "__main__":
    main()
