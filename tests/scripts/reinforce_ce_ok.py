import torch
import torch.nn as nn
import torch.nn.functional as F


class Policy(nn.Module):
    def __init__(self, contexts=5, arms=4):
        super().__init__()
        self.table = nn.Embedding(contexts, 16)
        self.out = nn.Linear(16, arms)

    def forward(self, context):
        return self.out(torch.tanh(self.table(context)))


def pull(context, arm):
    return (arm == context % 4).float() + 0.1 * torch.randn(len(arm))


def main():
    torch.manual_seed(0)
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
    baseline = 0.0
    for episode in range(30):
        context = torch.randint(0, 5, (40,))
        logits = policy(context)
        with torch.no_grad():
            arm = torch.multinomial(logits.softmax(dim=1), 1).squeeze(1)
            reward = pull(context, arm)
        advantage = reward - baseline
        loss = (F.cross_entropy(logits, arm, reduction="none") * advantage).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        baseline = 0.9 * baseline + 0.1 * reward.mean().item()
    print("reward", reward.mean().item())


if __name__ == "__main__":
    main()
