"""How often a default fit of a small problem misses the best known optimum: `python -m tests.bench.trust --help`."""
