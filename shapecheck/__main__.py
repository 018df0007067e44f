"""`shapecheck` and `python -m shapecheck`: a spec check has to start and end in the time of a few imports."""

import gc
import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # The process lives for a moment and leaves nothing to collect; the collector would cost a tenth of a spec check.
    gc.disable()
    from shapecheck import cli

    status = cli.run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # the shell may have closed it
            with suppress(OSError):
                stream.flush()
    # Everything is written and every child ended; taking the modules apart would cost another tenth.
    os._exit(status)


if __name__ == "__main__":
    main()
