"""What one would write with scikit-learn: K-means of a CSV, as JSON. CSV K STARTS ALGORITHM."""

import json
import sys

import numpy as np
from sklearn.cluster import KMeans

path, k, starts, algorithm = sys.argv[1:]
try:
    import polars

    x = polars.read_csv(path).to_numpy()
except ImportError:
    x = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
model = KMeans(int(k), n_init=int(starts), algorithm=algorithm, random_state=0).fit(x)
json.dump({"score": model.inertia_, "centroids": model.cluster_centers_.tolist()}, sys.stdout)
