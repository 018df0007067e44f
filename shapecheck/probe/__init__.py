"""The user's model: loaded, built, fed and looked at. `probing.py` is the way in; everything here may import torch."""
