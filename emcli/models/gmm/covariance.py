"""The four shapes of covariances: they whiten rows, and are updated from the moments of whitened rows."""

from __future__ import annotations

from emcli.models.gmm.diagonal import Diagonal, Spherical
from emcli.models.gmm.full import Full, Tied

__all__ = ["SHAPES", "Covariances", "Diagonal", "Full", "Spherical", "Tied"]

Covariances = Full | Tied | Diagonal | Spherical
SHAPES: dict[str, type[Full] | type[Diagonal]] = {
    "full": Full,
    "tied": Tied,
    "diag": Diagonal,
    "spherical": Spherical,
}
