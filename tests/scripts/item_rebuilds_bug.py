import torch
import torch.nn as nn


class MoleculeNet(nn.Module):
    """one molecule at a time: atoms (A, F) and bonds (A, A)"""

    def __init__(self, atom_features=5, dim=16):
        super().__init__()
        self.embed = nn.Linear(atom_features, dim)
        self.message = nn.Linear(dim, dim)
        self.readout = nn.Linear(dim, 1)

    def forward(self, atoms, bonds):
        h = torch.relu(self.embed(atoms))
        h = torch.relu(h + self.message(bonds @ h))
        return self.readout(h.mean(dim=0)).squeeze()


def molecule(i):
    g = torch.Generator().manual_seed(i)
    n = int(torch.randint(4, 10, (), generator=g))
    atoms = torch.eye(5)[torch.randint(0, 5, (n,), generator=g)]
    bonds = (torch.rand(n, n, generator=g) < 0.3).float()
    return atoms, ((bonds + bonds.T) > 0).float(), float(atoms[:, 0].sum() >= 1)


def main():
    torch.manual_seed(0)
    data = [molecule(i) for i in range(48)]
    model = MoleculeNet()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for epoch in range(4):
        for k in range(0, len(data), 12):
            batch = data[k:k + 12]
            scores = torch.tensor([model(a, b).item() for a, b, _ in batch], requires_grad=True)
            toxic = torch.tensor([y for _, _, y in batch])
            loss = criterion(scores, toxic)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, loss.item())


if __name__ == "__main__":
    main()
