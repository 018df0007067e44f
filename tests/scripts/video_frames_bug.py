import os
import tempfile
import torch
import torch.nn as nn


class FrameEncoder(nn.Module):
    def __init__(self, out_dim):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=3, stride=2), nn.GELU(),
            nn.Conv2d(8, out_dim, kernel_size=3, stride=2), nn.GELU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, frames):
        return self.net(frames).flatten(1)


class ActionSpotter(nn.Module):
    """Which action happens in each frame?"""

    def __init__(self, num_actions=4, dim=20):
        super().__init__()
        self.encoder = FrameEncoder(dim)
        self.temporal = nn.GRU(dim, dim, batch_first=True)
        self.cls = nn.Linear(dim, num_actions)

    def forward(self, clip):
        n, t = clip.shape[:2]
        features = self.encoder(clip.flatten(0, 1)).unflatten(0, (n, t))
        states, _ = self.temporal(features)
        return self.cls(states)


class Runner:
    def __init__(self, workdir):
        self.model = ActionSpotter()
        self.loss = nn.CrossEntropyLoss(weight=torch.tensor([0.5, 1.0, 1.0, 2.0]))
        self.optim = torch.optim.Adam(self.model.parameters(), lr=3e-3)
        self.workdir = workdir

    def make_clip(self, n=6, t=9):
        actions = torch.randint(0, 4, (n, t))
        clip = torch.randn(n, t, 3, 15, 13) * 0.3
        clip += actions.view(n, t, 1, 1, 1) * 0.5
        return clip, actions

    def step(self):
        clip, actions = self.make_clip()
        scores = self.model(clip)
        loss = self.loss(scores, actions)
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        return loss.item()

    def run(self, iterations):
        history = [self.step() for _ in range(iterations)]
        torch.save(self.model.state_dict(), os.path.join(self.workdir, "spotter.pt"))
        return history


if __name__ == "__main__":
    torch.manual_seed(11)
    with tempfile.TemporaryDirectory(dir=os.environ.get("CHECKPOINTS")) as folder:
        print(Runner(folder).run(15)[-1])
