import argparse
import numpy as np
import torch.nn as nn


class Generator(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.init_size = opt.img_size // 4
        self.l1 = nn.Sequential(nn.Linear(opt.latent_dim, 128 * self.init_size**2))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(128), nn.Upsample(scale_factor=4), nn.Conv2d(128, opt.channels, 3, 1, 1), nn.Tanh()
        )

    def forward(self, z):
        out = self.l1(z)
        return self.conv_blocks(out.view(out.shape[0], 128, self.init_size, self.init_size))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n_epochs", type=int, default=200, help="number of epochs of training")
    parser.add_argument("--latent_dim", type=int, default=100)
    parser.add_argument("--img-size", type=int, default=28, dest="img_size")
    parser.add_argument("--channels", type=int, default=1)
    opt = parser.parse_args()
    generator = Generator(opt)


if __name__ == "__main__":
    main()
