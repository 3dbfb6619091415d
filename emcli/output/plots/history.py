"""The models that a fit went through, kept in little memory until a picture of it is drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from emcli.inference.runs import Run
from emcli.inference.steps.path import Path
from emcli.models.base import AnyModel

MIN_WHOLE, MAX_WHOLE = 12, 256  # iterations from the start on, of which none is left out
MAX_KEPT_NUMBERS = 1 << 18  # of the models of these, about, where they are more than the fewest


class History(Path[AnyModel]):
    """Recorder of models: of the first iterations, of ever fewer later ones, and of the wanted ones."""

    def __init__(self, tol: float, wanted: Collection[int] = ()):
        def kept(iteration: int, model: AnyModel) -> AnyModel | None:
            whole = max(MIN_WHOLE, min(MAX_WHOLE, MAX_KEPT_NUMBERS // model.parameters_count))
            stride = 1 << (iteration // whole).bit_length()  # twice as large each time that the iterations double
            return model if iteration in wanted or iteration % stride == 0 else None

        super().__init__(tol, kept)

    def models(self, best: Run) -> Iterator[tuple[int, AnyModel]]:
        """Iterations and models of the best start in order, in working coordinates; the last is where it ended."""
        yield from ((i, model) for i, model in self.iterations(best).items() if i < best.iterations)
        yield best.iterations, best.model
