"""A grid of fits, and which of its cells the data allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emcli.cli.inputs import OpenedData
from emcli.config.covariances import OF_ONE_COLUMN
from emcli.config.equals import compared_once, different
from emcli.config.experiment import Experiment
from emcli.config.settings import Settings
from emcli.data.dataset import Dataset
from emcli.errors import EmcliError, counted, quoted
from emcli.frozen import frozen
from emcli.models.base import AnyModel
from emcli.models.fixed import FixedFault


@frozen
class Grid:
    """The fits that a model or an experiment is asked for: their settings, and where the data of all come from."""

    kind: type[AnyModel]
    experiment: Experiment | None
    source: str | None
    settings: Sequence[Settings]
    prefix: str  # of the names of its candidates
    screens: bool  # may some have a short search only?

    def name(self, settings: Settings) -> str:
        """The name of the candidate with these settings."""
        return self.prefix + _name(settings, self.kind.name)


def cells(grid: Grid, opened: OpenedData, apart: bool) -> tuple[list[Settings], list[str]]:
    """The settings of each candidate, and lines that say what of the grid is not among them.

    apart: has each shape a fit of one component of its own, from which its tests of k go up?
    Raises EmcliError, as a fit does, for a shape of covariances that is none of so many columns.
    """
    columns, asked = opened.columns, grid.settings
    found = different(asked, columns, apart)
    for each in found:
        if each.model.covariance in OF_ONE_COLUMN and columns != 1:
            opened.dataset(each)  # raises
    lines: list[str | None] = [
        *(asked[0].provenance.left_out if columns != 1 else ()),
        *compared_once(asked, columns, apart),
    ]
    if asked[0].provenance.all_shapes:
        found, said = _holding(grid.kind, found, columns)
        lines.append(said)
    if asked[0].data.known is not None:
        found, said = _with_a_component_for_each_name(found, opened.dataset)
        lines.append(said)
    return found, [line for line in lines if line]


def _holding(kind: type[AnyModel], found: list[Settings], columns: int) -> tuple[list[Settings], str | None]:
    """Without the shapes that cannot hold what others can."""
    held = [_holds(kind, each, columns) for each in found]
    ks = {each.model.k for each, holds in zip(found, held, strict=True) if holds}
    kept = [each for each, holds in zip(found, held, strict=True) if holds or each.model.k not in ks]
    left_out = dict.fromkeys(str(each.model.covariance) for each in found if each not in kept)
    return kept, f"these values cannot be held with covariance {', '.join(left_out)}: left out" if left_out else None


def _holds(kind: type[AnyModel], settings: Settings, columns: int) -> bool:
    try:
        kind.fixed_in(settings.model, columns)
    except FixedFault:
        return False
    return True


def _with_a_component_for_each_name(
    found: list[Settings], dataset: Callable[[Settings], Dataset]
) -> tuple[list[Settings], str | None]:
    """Without those of fewer components than known labels name, unless that are all."""
    named = 0
    for each in sorted(found, key=lambda each: each.model.k):
        try:
            named = len(dataset(each).rows.components)
        except EmcliError:
            continue
        break
    kept = [each for each in found if each.model.k >= named]
    few = sorted({each.model.k for each in found if each.model.k < named})
    if not few:
        return kept, None
    names = f"column {quoted(found[0].data.known)} names {counted(named, 'component')}"
    return kept, f"{names}: k={', '.join(map(str, few))} left out"


def _name(settings: Settings, model: str) -> str:
    init = settings.search.init
    own = settings.model
    prior = None if own.prior is None else f"prior-{own.prior}"
    fix = "-".join(["fix", *filter(str.isalpha, own.fix)]) if own.fix else None
    parts = (model, f"k{own.k}", own.covariance, own.mixing, prior, fix, own.noise and "noise", init)
    return "-".join(part for part in parts if part and part != "auto")
