import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class ImageTower(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 4, stride=4)
        self.proj = nn.Linear(16, dim)

    def forward(self, image):
        return self.proj(F.gelu(self.conv(image)).mean(dim=(2, 3)))


class TextTower(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.emb = nn.EmbeddingBag(vocab, 32)
        self.proj = nn.Linear(32, dim)

    def forward(self, text):
        return self.proj(self.emb(text))


class CLIP(nn.Module):
    def __init__(self, dim=20, vocab=50):
        super().__init__()
        self.visual, self.text = ImageTower(dim), TextTower(vocab, dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, image, text):
        i = F.normalize(self.visual(image), dim=-1)
        t = F.normalize(self.text(text), dim=-1)
        logits = self.logit_scale.exp() * i @ t.t()
        return logits, logits.t()


def clip_loss(per_image, per_text):
    labels = torch.arange(per_image.size(0), device=per_image.device)
    return (F.cross_entropy(per_image, labels) + F.cross_entropy(per_text, labels)) / 2


def captions(n=12):
    colour = torch.rand(n, 3)
    image = colour.view(n, 3, 1, 1) + 0.05 * torch.randn(n, 3, 8, 8)
    text = (colour * 16).long() + torch.tensor([0, 16, 32])
    return image, text


def main():
    torch.manual_seed(0)
    model = CLIP()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(25):
        loss = clip_loss(*model(*captions()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
    print("clip", loss.item())


if __name__ == "__main__":
    main()
