import torch
from seq2seq import Encoder, Decoder
from torch import nn


class Seq2Seq(nn.Module):
    def __init__(self, enc, dec, device):
        super().__init__()
        self.enc, self.dec = enc, dec

    def forward(self, src, trg):
        hidden, cell = self.enc(src)
        return torch.stack([self.dec(t, hidden, cell)[0] for t in trg])


if __name__ == "__main__":
    INPUT_DIM, OUTPUT_DIM = 50, 60
    DROPOUT = 0.5
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    enc = Encoder(INPUT_DIM, 32, 48, 2, DROPOUT)
    dec = Decoder(OUTPUT_DIM, 32, 48, 2, DROPOUT)
    model = Seq2Seq(enc, dec, device).to(device)
