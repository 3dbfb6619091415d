"""The registry of models by name: a new model is a file of its own and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emcli.models.base import AnyModel

MODELS = {
    "kmeans": "emcli.models.kmeans.model:KMeans",
    "coins": "emcli.models.coins.mixture:BinomialMixture",
    "gmm": "emcli.models.gmm.mixture:GaussianMixture",
}
_loaded: dict[str, type[AnyModel]] = {}


def register(name: str, model: type[AnyModel]) -> None:
    """Make a model known under a name, for this process."""
    MODELS[name] = f"{model.__module__}:{model.__qualname__}"
    _loaded[name] = model


def model_class(name: str) -> type[AnyModel]:
    """The model class with this name, imported on first use. Raises KeyError."""
    if name not in _loaded:
        module, attribute = MODELS[name].split(":")
        _loaded[name] = getattr(import_module(module), attribute)
    return _loaded[name]
