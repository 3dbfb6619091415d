"""The program's entry, also of `python -m emcli`: from its start no interrupt and no library shows a traceback."""

import _signal  # type: ignore[import-not-found]  # what `signal` is made of, and there at once: that one takes a while

# Until the guard stands an interrupt must not end in a traceback; warnings of libraries are not for users.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import sys
import warnings

gc.disable()  # what is imported is no garbage: to look through it for some would take a third of a small fit's time

if not sys.warnoptions:
    warnings.simplefilter("ignore")


def main() -> int:
    """Run the program on the arguments of the process and return its exit code."""
    from emcli.cli.app import main

    gc.freeze()
    gc.set_threshold(100_000)  # new objects: a command imports more when it is known, and little here is in cycles
    gc.enable()
    try:
        return main()
    finally:
        gc.freeze()  # the end looks through everything again


if __name__ == "__main__":
    sys.exit(main())
