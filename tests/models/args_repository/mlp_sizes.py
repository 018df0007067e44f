import torch.nn as nn


class MLP(nn.Module):
    def __init__(self, sizes, activation, output_activation=nn.Identity):
        super().__init__()
        layers = []
        for j in range(len(sizes) - 1):
            act = activation if j < len(sizes) - 2 else output_activation
            layers += [nn.Linear(sizes[j], sizes[j + 1]), act()]
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)


class Actor(nn.Module):
    def __init__(self, obs_dim, act_dim, hidden_sizes, activation):
        super().__init__()
        self.pi = MLP([obs_dim] + list(hidden_sizes) + [act_dim], activation)

    def forward(self, obs):
        return self.pi(obs)
