"""The first of ours that runs in a script's process. Imports torch only once it can say that it is not there."""

from __future__ import annotations

import gc
import json
import sys

from shapecheck.endings import internal
from shapecheck.worker import without_torch


def main() -> None:
    """Runs the order that is the last argument of this process; returns where Python should end it."""
    from shapecheck.script.sending import Sender

    order = json.loads(sys.argv.pop())
    sender = Sender(order["stack"] + ".lock")
    gc.disable()  # amid so many new objects it would cost a tenth of the import
    try:
        import torch  # noqa: F401

        from shapecheck.script.job import run
    except BaseException as error:
        sender.error(without_torch(error))
        return
    finally:
        gc.enable()
    sender.send(ready=True)
    try:
        run(order, sender)
    except Exception as error:
        sender.error(internal(error))
