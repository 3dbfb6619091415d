"""How often a default fit of a small problem misses the best known optimum: `python -m tests.bench.trust --help`."""

import os
import sys
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path[:0] = [str(Path(__file__).parents[2])]  # what the tests share
