"""The command `examples`: list the experiments and data sets that come with emcli, or copy them out."""

from __future__ import annotations

import sys
from textwrap import fill

from emcli.cli import options
from emcli.errors import Exit


def examples(folder: options.NewFolder = None, debug: options.Debug = None) -> int:
    """List the examples that come with emcli, by name, or copy them into a new folder.

    Examples:
      emcli examples
      emcli fit two_coins
      emcli fit gmm faithful -k 2
      emcli examples here

    A file of that name in the current folder comes before an example.
    """
    from emcli.files.examples import copy_into, data_sets, experiments
    from emcli.output.terminal import columns, sayable

    if folder is not None:
        for path in copy_into(folder):
            sys.stdout.write(f"{path}\n")
        return Exit.DONE
    width = min(columns(sys.stdout), 100)

    def listed(found: dict[str, str]) -> list[str]:
        left = max(map(len, found)) + 4
        return [
            fill(about, width, initial_indent=f"  {name}".ljust(left), subsequent_indent=" " * left)
            for name, about in found.items()
        ]

    lines = ["Experiments (emcli fit NAME, emcli generate NAME)", *listed(experiments())]
    lines += ["", "Data sets (emcli fit MODEL NAME -k N)", *listed(data_sets())]
    lines += ["", "`emcli examples DIR` copies them into a new folder DIR."]
    sys.stdout.write(sayable("\n".join(lines), sys.stdout) + "\n")
    return Exit.DONE
