"""The registry of models by name: a new model is a file of its own and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from emcli.models.base import AnyModel
    from emcli.models.worked import WorkedSteps

MODELS = {
    "kmeans": "emcli.models.kmeans.model:KMeans",
    "coins": "emcli.models.coins.mixture:BinomialMixture",
    "gmm": "emcli.models.gmm.mixture:GaussianMixture",
}
WORKED = {  # what shows a model's steps in numbers; of a model that is not among these: the steps of any mixture
    "kmeans": "emcli.models.kmeans.worked:WorkedClusters",
    "coins": "emcli.models.coins.worked:WorkedCoins",
    "gmm": "emcli.models.gmm.worked.gaussians:WorkedGaussians",
}
INCOMPLETE = {  # the subclass of a model that works on the observed cells of rows of which some are missing
    "gmm": "emcli.models.gmm.incomplete:IncompleteGaussianMixture",
    "kmeans": "emcli.models.kmeans.incomplete:IncompleteKMeans",
}
NOISY = {  # the subclass of a model that has noise, one more component for outliers
    "gmm": "emcli.models.gmm.noise.mixture:NoisyGaussianMixture",
}
_loaded: dict[str, type[AnyModel]] = {}


def register(name: str, model: type[AnyModel]) -> None:
    """Make a model known under a name, for this process."""
    MODELS[name] = f"{model.__module__}:{model.__qualname__}"
    _loaded[name] = model


def model_class(name: str) -> type[AnyModel]:
    """The model class with this name, imported on first use. Raises KeyError."""
    if name not in _loaded:
        _loaded[name] = cast("type[AnyModel]", _imported(MODELS[name]))
    return _loaded[name]


def incomplete_class(name: str) -> type[AnyModel] | None:
    """The class of the model with this name for rows with missing cells; None where it has none."""
    return cast("type[AnyModel]", _imported(INCOMPLETE[name])) if name in INCOMPLETE else None


def noisy_class(name: str) -> type[AnyModel]:
    """The class of the model with this name that has noise. Raises KeyError."""
    return cast("type[AnyModel]", _imported(NOISY[name]))


def worked_steps(name: str) -> WorkedSteps[AnyModel]:
    """What shows the E-step and the M-step of the model with this name in numbers."""
    worked = _imported(WORKED.get(name, "emcli.models.worked:WorkedSteps"))
    return cast("type[WorkedSteps[AnyModel]]", worked)()


def _imported(place: str) -> object:
    module, attribute = place.split(":")
    found: object = getattr(import_module(module), attribute)
    return found
