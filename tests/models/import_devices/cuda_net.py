"""Everything that people write who always have a GPU."""

import torch
import torch.nn as nn
import torch.nn.functional as F

device = torch.device("cuda")
torch.cuda.set_device(0)
MASK = torch.ones(5, device="cuda:0")
FloatTensor = torch.cuda.FloatTensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(13, 16).cuda()
        self.last = nn.Linear(16, 5, device="cuda")
        self.register_buffer("scale", torch.ones(5).to(device))

    @torch.cuda.amp.custom_fwd
    def head(self, x):
        return self.last(x)

    def forward(self, x):
        x = x.cuda(non_blocking=True)
        hidden = torch.zeros(x.size(0), 16).to("cuda") + torch.randn(16, device=device)
        with torch.cuda.amp.autocast(enabled=False):
            x = F.relu(self.first(x)) + hidden
        torch.cuda.synchronize()
        y = self.head(x).type(FloatTensor) * MASK
        y = y + torch.cuda.FloatTensor(5).fill_(torch.cuda.current_device())
        return y.to(device="cuda", dtype=torch.float32) * self.scale.to("cuda:0")


parallel = nn.DataParallel(Net(), device_ids=[0, 1]).cuda()


class OnMps(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(13, 5).to("mps")

    def forward(self, x):
        return self.layer(x.to("mps"))
