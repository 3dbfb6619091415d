"""P(heads) and mixing weights of coins that are held at given values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.models.fixed import Fixed, FixedFault, FixedReader, some_of
from emcli.types import JSON

NAMES = ("weights", "heads")  # of what can be held
HELD = some_of(NAMES)


class FixedHeads(Fixed):
    """Values at which mixing weights and P(heads) are held."""

    name = "heads"


def read(given: Mapping[str, JSON], settings: ModelSettings) -> FixedHeads:
    """What `fix` holds, such as `{"heads": [0, null]}`. Raises FixedFault."""
    reader = FixedReader(given, NAMES)
    heads = reader.array("heads", (settings.k,))
    for i in np.flatnonzero((heads < 0) | (heads > 1)).tolist():
        raise FixedFault(("heads", i), f"must be a probability from 0 to 1, got {heads[i]:g}")
    return FixedHeads(reader.held_weights(settings), heads)
