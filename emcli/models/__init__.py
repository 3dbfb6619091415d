"""The registry of models: a new one is a file of its own and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emcli.models.base import Family

MODELS = {
    "kmeans": "emcli.models.kmeans.model:KMeansFamily",
    "coins": "emcli.models.coins.family:CoinsFamily",
    "gmm": "emcli.models.gmm.family:GaussianFamily",
}


def family_of(name: str) -> Family:
    """The model of that name; KeyError where there is none."""
    from importlib import import_module

    module, attribute = MODELS[name].split(":")
    made: Family = getattr(import_module(module), attribute)()
    return made
