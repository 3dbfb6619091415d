"""What one would write with scikit-learn: a Gaussian mixture of a CSV, as JSON. CSV K STARTS ITERATIONS [START]."""

import json
import os
import sys
import warnings

import numpy as np
from sklearn.mixture import GaussianMixture

path, k, starts, iterations, *start = sys.argv[1:]
warnings.simplefilter("ignore")
try:
    if os.path.getsize(path) < 1_000_000:  # not worth an import
        raise ImportError
    import polars

    x = polars.read_csv(path).to_numpy()
except ImportError:
    x = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
how = {"n_init": int(starts), "max_iter": int(iterations), "random_state": 0}
if start:
    with open(start[0]) as file:
        given = json.load(file)
    precisions = [np.diag(np.array(sds) ** -2.0) for sds in given["sds"]]
    how |= {"tol": 0.0, "weights_init": given["weights"], "means_init": given["means"], "precisions_init": precisions}
model = GaussianMixture(int(k), **how).fit(x)
json.dump(
    {
        "score": model.score(x) * len(x),
        "weights": model.weights_.tolist(),
        "means": model.means_.tolist(),
        "covariances": model.covariances_.tolist(),
        "iterations": model.n_iter_,
    },
    sys.stdout,
)
