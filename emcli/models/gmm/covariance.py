"""The shapes of covariances: they whiten rows, and are updated from the moments of whitened rows."""

from __future__ import annotations

from emcli.models.gmm.diagonal import Diagonal, Spherical
from emcli.models.gmm.full import Full, Tied

__all__ = ["SHAPES", "Covariances", "Diagonal", "Full", "Spherical", "Tied", "covariances_of"]

Covariances = Full | Tied | Diagonal | Spherical
SHAPES: dict[str, type[Full] | type[Diagonal]] = {
    "full": Full,
    "tied": Tied,
    "diag": Diagonal,
    "spherical": Spherical,
    "VVV": Full,
    "EEE": Tied,
    "VVI": Diagonal,
    "VII": Spherical,
    "V": Full,
    "E": Tied,
}


def covariances_of(shape: str) -> type[Full] | type[Diagonal]:
    """The class of a shape; what the ten others of mclust need is imported for them alone."""
    if shape in SHAPES:
        return SHAPES[shape]
    from emcli.models.gmm.decomposed.shapes import SHAPES as OTHERS

    return OTHERS[shape]
