"""Tests of k against k + 1 components in each shape of a comparison, going up to the first that is not rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from emcli.comparison.candidate import Candidate
from emcli.comparison.likelihood_ratio import Hypothesis, Ratio
from emcli.comparison.ranking import same_scale
from emcli.config.documents.comparison import RatioTestDocument
from emcli.frozen import frozen
from emcli.inference.fit import observe
from emcli.models import model_class

Begun = Callable[[Candidate, Candidate], Callable[[int], object]]  # of a test; gives what hears how many are drawn


@frozen
class RatioTest:
    """A fit tested against that of one component more: what was found, or why it was not tested."""

    small: Candidate
    large: Candidate
    ratio: Ratio | None = None
    reason: str | None = None

    def document(self) -> RatioTestDocument:
        """Its entry in the document of a comparison."""
        made: RatioTestDocument = {"null": self.small.name, "alternative": self.large.name}
        if self.ratio is None:
            return {**made, "reason": self.reason or ""}
        return {
            **made,
            "statistic": self.ratio.statistic,
            "replicates": self.ratio.replicates,
            "exceedances": self.ratio.exceedances,
            "p": self.ratio.p,
            "p_error": self.ratio.p_error,
            "rejected": self.ratio.is_rejected,
        }


def ratio_tests(
    candidates: Sequence[Candidate], replicates: int, jobs: int | None, begun: Begun
) -> Iterator[RatioTest]:
    """Test each k against k + 1, of fits that differ in k alone, going up to the first that is not rejected.

    A pair of which one has no fit is not tested, nor are those above it.
    """
    for fits in _shapes(candidates):
        for k, small in sorted(fits.items()):
            large = fits.get(k + 1)
            if large is None:
                continue
            if reason := _not_tested(small, large):
                yield RatioTest(small, large, reason=reason)
                break
            hypothesis = _hypothesis(small, large)
            found = observe(hypothesis.tested(replicates, jobs), begun(small, large))
            yield RatioTest(small, large, found)
            if not found.is_rejected:
                break


def _shapes(candidates: Sequence[Candidate]) -> list[dict[int, Candidate]]:
    """Fits of one grid that are alike in all but k, by k; those of hard assignments and saved ones are left out."""
    shapes: dict[str, dict[int, Candidate]] = {}
    for each in candidates:
        asked = each.fit_settings
        if asked is not None and not model_class(each.settings["model"]).hard:
            grid = each.name.rpartition(":")[0], each.settings["model"]
            shapes.setdefault(repr((grid, replace(asked.model, k=1), asked.search)), {})[asked.model.k] = each
    return list(shapes.values())


def _not_tested(small: Candidate, large: Candidate) -> str | None:
    """Why two fits cannot be tested against each other; None where they can."""
    for each in (small, large):
        if each.document is None:
            return f"{each.name} has no fit"
        if each.fitted["log_likelihood"] is None:
            return f"the log-likelihood of {each.name} is infinite"
    return None if same_scale(small, large) else "they are fits of different data"


def _hypothesis(small: Candidate, large: Candidate) -> Hypothesis:
    """That the smaller of two fits is true."""
    data, settings, larger = small.data(), small.fit_settings, large.fit_settings
    assert data is not None and settings is not None and larger is not None  # of a grid
    kind = model_class(small.fitted["model"]).for_rows(data.rows, settings.model)
    model = kind.from_parameters(small.fitted["parameters"], settings.model, data.rows)
    model = model.to_scaled(data.rows.scaling, data.rows.covariance)
    statistic = 2 * ((large.fitted["log_likelihood"] or 0.0) - (small.fitted["log_likelihood"] or 0.0))
    return Hypothesis(data.rows, model, settings.model, larger.model, settings.search, statistic)
