import torch.nn as nn


class CRNN(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.conv = nn.Conv1d(
            config["in_channels"], config["model"]["hidden"], config["model"]["kernel_size"], padding="same"
        )
        self.rnn = nn.GRU(
            config["model"]["hidden"], config["model"]["hidden"], config.get("layers", 2), batch_first=True
        )
        self.head = nn.Linear(config["model"]["hidden"], config["num_classes"])

    def forward(self, x):
        return self.head(self.rnn(self.conv(x).transpose(1, 2))[0][:, -1])
