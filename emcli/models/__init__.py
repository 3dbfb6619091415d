"""The registry of models: a new one is a file of its own and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emcli.models.family import Family

MODELS = {
    "kmeans": "emcli.models.kmeans:KMeansFamily",
    "coins": "emcli.models.coins:CoinsFamily",
    "gmm": "emcli.models.gaussian:GaussianFamily",
}


def family_of(name: str) -> Family:
    """The model of that name; KeyError where there is none."""
    from importlib import import_module

    module, attribute = MODELS[name].split(":")
    made: Family = getattr(import_module(module), attribute)()
    return made
