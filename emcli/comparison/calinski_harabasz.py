"""The index of Caliński & Harabasz (1974) of a hard clustering, which needs no data but the fit's document."""

from __future__ import annotations

import numpy as np

from emcli.config.documents.fit import FitDocument


def calinski_harabasz(fit: FitDocument) -> float | None:
    """The index, (B / (k - 1)) / (W / (N - k)); larger is better.

    W is the inertia, B that of the centroids, with their sizes. Where cells are missing both are of the observed ones,
    and N is their number for each column. None where it is not defined: for one cluster, an inertia of 0, or a cluster
    for every row.
    """
    parameters, data = fit["parameters"], fit["data"]
    sizes = np.asarray(parameters.get("sizes") or [], dtype=np.float64)
    shares = any(warning["slug"] == "weights-are-shares" for warning in fit.get("warnings", []))
    n, k = data["rows"] if shares else data["weight"], int(np.count_nonzero(sizes))
    inertia = fit.get("inertia", 0.0)
    if not 1 < k < n or not inertia > 0:
        return None
    centroids = np.asarray(parameters["centroids"], dtype=np.float64)
    if parameters.get("observed"):
        cells = np.asarray(parameters["observed"], dtype=np.float64)
        n *= float(cells.sum()) / (data["weight"] * centroids.shape[1])
        mean = (cells * centroids).sum(axis=0) / np.maximum(cells.sum(axis=0), 1e-300)
    else:
        cells, mean = sizes[:, None], sizes @ centroids / sizes.sum()
    away = centroids - mean
    if parameters.get("scales"):
        away /= np.asarray(parameters["scales"], dtype=np.float64)
    between = float(sizes @ (away**2).sum(axis=1)) if len(cells[0]) == 1 else float((cells * away**2).sum())
    return between / (k - 1) * (n - k) / inertia
