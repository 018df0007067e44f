"""Advantage actor-critic on a toy corridor."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

GAMMA, N_STATES = 0.95, 7


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(N_STATES, 32), nn.Tanh())
        self.policy = nn.Linear(32, 2)
        self.value = nn.Linear(32, 1)

    def forward(self, state):
        h = self.trunk(state)
        return Categorical(logits=self.policy(h)), self.value(h)


def rollout(model, length=24):
    states, actions, rewards, pos = [], [], [], 3
    for _ in range(length):
        s = F.one_hot(torch.tensor(pos), N_STATES).float()
        with torch.no_grad():
            action = model(s)[0].sample()
        pos = min(max(pos + (1 if action == 1 else -1), 0), N_STATES - 1)
        states.append(s)
        actions.append(action)
        rewards.append(1.0 if pos == N_STATES - 1 else -0.05)
        if pos in (0, N_STATES - 1):
            pos = 3
    return torch.stack(states), torch.stack(actions), rewards


def discount(rewards):
    returns, acc = [], 0.0
    for r in reversed(rewards):
        acc = r + GAMMA * acc
        returns.insert(0, acc)
    return torch.tensor(returns)


torch.manual_seed(0)
model = ActorCritic()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for episode in range(20):
    states, actions, rewards = rollout(model)
    returns = discount(rewards)
    dist, values = model(states)
    advantage = returns - values.squeeze(-1).detach()
    actor_loss = -(dist.log_prob(actions) * advantage).mean()
    critic_loss = F.smooth_l1_loss(values.squeeze(-1), returns)
    loss = actor_loss + 0.5 * critic_loss - 0.01 * dist.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"return {sum(rewards):.2f}  critic {critic_loss.item():.3f}")
