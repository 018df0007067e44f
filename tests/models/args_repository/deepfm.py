import torch
import torch.nn as nn


class DeepFM(nn.Module):
    def __init__(self, field_dims, embed_dim, mlp_dims, dropout):
        super().__init__()
        self.embedding = nn.Embedding(sum(field_dims), embed_dim)
        self.n = len(field_dims)
        layers, d = [], self.n * embed_dim
        for m in mlp_dims:
            layers += [nn.Linear(d, m), nn.ReLU(), nn.Dropout(p=dropout)]
            d = m
        self.mlp = nn.Sequential(*layers, nn.Linear(d, 1))

    def forward(self, x):
        return torch.sigmoid(self.mlp(self.embedding(x).flatten(1))).squeeze(1)


class NCF(nn.Module):
    def __init__(self, user_num, item_num, factor_num, num_layers, dropout, model):
        super().__init__()
        self.model = model
        self.embed_user_GMF = nn.Embedding(user_num, factor_num)
        self.embed_item_GMF = nn.Embedding(item_num, factor_num)
        self.predict_layer = nn.Linear(factor_num * (1 if self.model == "GMF" else 2), 1)

    def forward(self, user, item):
        u, i = self.embed_user_GMF(user), self.embed_item_GMF(item)
        h = u * i if self.model == "GMF" else torch.cat([u, i], -1)
        return self.predict_layer(h).view(-1)
