"""The readers of emcli held against inputs that coverage guides: `python -m tests.fuzz`."""

import os
import sys
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path[:0] = [str(Path(__file__).parents[1])]  # what the tests share
