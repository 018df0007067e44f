"""Downloads where it is imported, as a script's helper does."""

import os
import urllib.request

CLASSES = 5
os.makedirs("downloaded", exist_ok=True)
archive = urllib.request.urlretrieve("http://localhost:9/archive.zip", "downloaded/archive.zip")
names = open(archive[0]).read().split()


def loader():
    return names
