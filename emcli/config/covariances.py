"""The names of the shapes of covariances, and what of volume, shape and orientation each lets vary."""

from __future__ import annotations

from typing import Final, Literal, get_args

# Volume, shape and orientation, each equal (E) or varying (V); shape I: spheres, orientation I: along the axes.
LETTERS: Final = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII", "V": "VVV", "E": "EEE"}
Shape = Literal["EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"]
ALL: Final[tuple[str, ...]] = get_args(Shape)
OF_ONE_COLUMN: Final = ("E", "V")  # of which one variance is all there is
UNDER_SCALING: Final = frozenset({"EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV"})
CLASSIC: Final = frozenset(LETTERS.values())  # whose natural parameters are free
PRIOR_TOO: Final = ("EII", "EEI", "VEI", "EVI", "EEV", "VEV")  # have a prior, as the classic ones and in mclust
ORDER: Final = "IEV"  # of a letter: what comes before is a special case of what comes after


def letters(name: str | None) -> str:
    """The three letters of a shape, whichever of its names is given; those of full by default."""
    return LETTERS.get(name or "full", name or "full")


def has_correlations(name: str | None) -> bool:
    """Can columns be correlated within a component?"""
    return letters(name)[2] != "I"


def keeps_under_scaling(name: str | None) -> bool:
    """Does a mixture keep this shape where each column has a unit of its own?"""
    return letters(name) in UNDER_SCALING


def is_within(small: str | None, large: str | None, k: int) -> bool:
    """Is every set of k covariances of the one shape also one of the other? Of one covariance nothing varies."""
    of_small = letters(small) if k > 1 else of_one_component(small)
    return all(ORDER.index(one) <= ORDER.index(other) for one, other in zip(of_small, letters(large), strict=True))


def of_one_component(name: str | None) -> str:
    """The letters to which a shape comes down with one component, between which nothing can vary."""
    return letters(name).replace("V", "E")


def of_one_column(name: str | None) -> Literal["E", "V"]:
    """The shape to which this one comes down in one dimension, where there is but a volume: E or V."""
    return "V" if letters(name)[0] == "V" else "E"
