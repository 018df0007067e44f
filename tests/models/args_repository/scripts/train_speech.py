import argparse
from trained_elsewhere import Speech

HIDDEN = 48


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--n-mels", type=int, default=40)
    p.add_argument("--stride", type=int, default=2)
    return p.parse_args()


def main(args):
    hp = {"n_class": 29, "hidden": HIDDEN}
    model = Speech(args.n_mels, stride=args.stride, **hp)


if __name__ == "__main__":
    main(get_args())
