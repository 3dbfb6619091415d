"""The picture of rows that were drawn from known parameters."""

from __future__ import annotations

import numpy as np

from emcli.config.settings import DataSettings
from emcli.data.dataset import pick, unfit
from emcli.data.rows import Columns, DataFault
from emcli.data.scaling import ScalingRule
from emcli.errors import counted
from emcli.inference.simulate import SimulatedData
from emcli.models.base import AnyModel
from emcli.output.plots.figure import Picture, base_name, middled
from emcli.output.plots.frames import LONGEST_NAME, scene_class
from emcli.output.plots.scenes.scene import Groups


def of_drawn(kind: type[AnyModel], drawn: SimulatedData, source: str, labels: bool) -> Picture:
    """Rows as points or a histogram; with `labels` in the colours of the components that they come from.

    Raises EmcliError where their spread is beyond float64.
    """
    settings, observations = DataSettings(), kind.observations
    picked = pick(observations, drawn.names, source, settings)
    numbers = np.ascontiguousarray(drawn.values[:, list(picked.numeric)], dtype=np.float64)
    columns = Columns(numbers, [], None, [drawn.names[i] for i in picked.numeric])
    try:
        rows = observations.prepare(columns, 1, ScalingRule.EACH_COLUMN, settings)
    except DataFault as wrong:
        raise unfit(wrong, source) from None
    k = int(drawn.labels.max()) + 1
    groups = (
        Groups(drawn.labels, [*(drawn.called or [f"component {j + 1}" for j in range(k)])], range(k))
        if labels
        else None
    )
    scene = scene_class(kind, rows)(rows, groups=groups)
    return Picture(
        f"{middled(base_name(source), LONGEST_NAME)}: {counted(len(numbers), 'row')} drawn", [[scene.data()]]
    )
