import torch
import torch.nn as nn
from torch.distributions import Normal


class Agent(nn.Module):
    def __init__(self, obs=3, act=2):
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(obs, 32), nn.Tanh(), nn.Linear(32, 1))
        self.actor_mean = nn.Sequential(nn.Linear(obs, 32), nn.Tanh(), nn.Linear(32, act))
        self.actor_logstd = nn.Parameter(torch.zeros(1, act))

    def get_value(self, x):
        return self.critic(x)

    def evaluate(self, x, action=None):
        mean = self.actor_mean(x)
        dist = Normal(mean, self.actor_logstd.expand_as(mean).exp())
        action = dist.sample() if action is None else action
        return action, dist.log_prob(action).sum(1), dist.entropy().sum(1), self.critic(x)


def gae(rewards, values, gamma=0.9, lam=0.9):
    advantages, last = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards) - 1)):
        delta = rewards[t] + gamma * values[t + 1] - values[t]
        advantages[t] = last = delta + gamma * lam * last
    return advantages


torch.manual_seed(1)
agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=3e-3, eps=1e-5)
for update in range(3):
    with torch.no_grad():
        obs = torch.randn(32, 3)
        actions, logprobs, _, values = agent.evaluate(obs)
        rewards = -(actions - obs[:, :2]).pow(2).sum(1)
        advantages = gae(rewards, values.view(-1))
        returns = advantages + values.view(-1)
    for epoch in range(3):
        for mb in torch.randperm(32).split(16):
            _, newlogprob, entropy, newvalue = agent.evaluate(obs[mb], actions[mb])
            ratio = (newlogprob - logprobs[mb]).exp()
            adv = (advantages[mb] - advantages[mb].mean()) / (advantages[mb].std() + 1e-8)
            pg_loss = torch.max(-adv * ratio, -adv * ratio.clamp(0.8, 1.2)).mean()
            v_loss = nn.functional.mse_loss(newvalue.squeeze(-1), returns[mb])
            loss = pg_loss - 0.01 * entropy.mean() + 0.5 * v_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
print("value loss", v_loss.item())
