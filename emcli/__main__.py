"""The program's entry, also of `python -m emcli`: from its start no interrupt and no library shows a traceback."""

import signal
import sys
import warnings

# Until the guard stands an interrupt must not end in a traceback; warnings of libraries are not for users.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if not sys.warnoptions:
    warnings.simplefilter("ignore")


def main() -> int:
    """Run the program on the arguments of the process and return its exit code."""
    from emcli.cli.app import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
