"""The benchmark: emcli beside its peers, interleaved in fresh processes; `python -m tests.bench --help`."""
