"""The table that ranks the candidates of a comparison, one row each, with the columns that fit a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emcli.comparison.candidate import CLUSTERING, LIKELIHOOD, Candidate
from emcli.comparison.ranking import RankedGroup
from emcli.config.documents.comparison import CandidateDocument
from emcli.errors import escaped
from emcli.output.numbers import scores, unsigned_zero
from emcli.output.page import Block, Grid

TITLES = {
    "model": "model",
    "k": "k",
    "covariance": "covariance",
    "mixing": "mixing",
    "prior": "prior",
    "noise": "noise",
    "fix": "held",
    "parameters_count": "parameters",
    "log_likelihood": "log-likelihood",
    "log_posterior": "log posterior",
    "inertia": "inertia",
    "silhouette": "silhouette",
    "ch": "CH",
    "gap": "gap",
    "aic": "AIC",
    "delta_aic": "delta AIC",
    "bic": "BIC",
    "delta_bic": "delta BIC",
    "icl": "ICL",
    "delta_icl": "delta ICL",
    "relative_entropy": "relative\nentropy",
    "iterations": "iterations",
    "status": "status",
    "reached": "reached",
    "adjusted_rand_index": "ARI",
    "warnings": "warnings",
}
DELTAS = {f"delta_{criterion}": criterion for criterion in LIKELIHOOD}
OF_LIKELIHOOD = (
    "parameters_count",
    "log_likelihood",
    "log_posterior",
    "aic",
    "bic",
    "icl",
    *DELTAS,
    "relative_entropy",
)
SCORES = ("log_likelihood", "log_posterior", "inertia", "silhouette", "ch", "gap", "aic", "bic", "icl")
SAID_ONCE = ("mixing", "model", "status", "covariance", "prior", "noise", "fix")  # where all candidates have the same
# Columns that a narrow page goes without, the least needed first.
DROPPED_FIRST = (
    *(
        "iterations",
        "log_posterior",
        "parameters_count",
        "relative_entropy",
        "icl",
        "aic",
        "warnings",
        *DELTAS,
        "bic",
        "adjusted_rand_index",
    ),
    *("gap", "silhouette", "ch"),
    *("status", "reached", "log_likelihood", "mixing", "model", "fix", "prior", "noise", "covariance", "k"),
)
Shown = dict[str, object]


def ranking(group: RankedGroup, width: int, ranked: bool = True, named: bool = False) -> Iterator[Block]:
    """The table of a group, best first; below it what did not fit, and why candidates have no fit.

    Fits that are not `ranked` against each other have no best one, and no difference from it. Names are shown where
    nothing else tells the fits apart, or where that is asked for.
    """
    rows = [_shown(candidate, row) for candidate, row in zip(group.candidates, group.rows(), strict=True)]
    if any("prior" in row for row in rows):
        for row in rows:
            row["prior"] = str(row.get("prior", "none"))
    if any("noise" in row for row in rows):
        for row in rows:
            row["noise"] = "yes" if row.get("noise") else "no"
    ranked = ranked and len(rows) > 1
    keys = [key for key in _titles(rows, group.criterion, named) if ranked or key not in DELTAS]
    columns = {_title(key, rows): _texts(rows, key) for key in keys}
    same = [key for key in SAID_ONCE if len(rows) > 1 and len({row.get(key) for row in rows}) == 1]
    spared = [_title(key, rows) for key in (*same, *DROPPED_FIRST) if key != group.criterion]
    best = 0 if ranked and group.candidates[0].document is not None else None
    whole = Grid.of([*columns], columns.values(), best)
    grid, left_out = whole.narrowed(width, spared)
    yield grid
    if left_out:
        alike = spared[: len(same)]
        said = [title.replace("\n", " ") + f" ({columns[title][0]})" * (title in alike) for title in left_out]
        yield f"Not shown at this width: {', '.join(said)}; all with --width {whole.width} or --format csv."
    if "warnings" in left_out:
        yield [f"{slug}: {', '.join(names)}" for slug, names in _warned(rows).items()]
    if failed := [f"{row['name']}: {row['reason']}" for row in rows if row.get("reason")]:
        yield failed


def _shown(candidate: Candidate, row: CandidateDocument) -> Shown:
    settings = candidate.document.get("settings", {}) if candidate.document else {}
    shown: Shown = {**row, "standardized": settings.get("standardize")}
    if row.get("starts"):
        shown["reached"] = f"{row['reached']} of {row['starts']}"
    if row.get("fix"):
        shown["fix"] = ", ".join(row["fix"])
    if row.get("artefact"):
        shown["k"] = f"{row['k']} *"
    return shown


def _titles(rows: Sequence[Shown], criterion: str, named: bool) -> list[str]:
    """The keys of the columns that are not empty; of likelihoods only where fits are ranked by one."""
    kinds = {tuple(row.get(key) for key in ("model", "k", "covariance", "mixing", "prior", "noise")) for row in rows}
    name = ["name"] if named or len(kinds) < len(rows) else []
    keys = [key for key in TITLES if any(row.get(key) not in (None, []) for row in rows)]
    others = OF_LIKELIHOOD if criterion in CLUSTERING else DELTAS.keys() - {f"delta_{criterion}"}
    return name + [key for key in keys if key not in others]


def _title(key: str, rows: Sequence[Shown]) -> str:
    standardized = key == "inertia" and any(row.get("standardized") for row in rows)
    return TITLES.get(key, key) + "\n(standardized)" * standardized


def _texts(rows: Sequence[Shown], key: str) -> list[str]:
    """The cells of a column; of scores that differ each has a text of its own."""
    values = [row.get(key) for row in rows]
    known = [value for value in values if isinstance(value, float)]
    if key in DELTAS:  # with the decimals that tell apart what it is taken from
        scored = _texts(rows, DELTAS[key])
        decimals = max((len(text.partition(".")[2]) for text in scored if "e" not in text), default=3)
        texts = iter([unsigned_zero(f"{value:.{decimals}f}") for value in known])
    else:
        texts = iter(scores(known) if key in SCORES else [unsigned_zero(f"{value:.3f}") for value in known])
    cells = [next(texts) if isinstance(value, float) else _cell(value) for value in values]
    errors = [row.get(f"{key}_error") for row in rows]
    return [
        f"{cell} ({error:.3f})" if isinstance(error, float) else cell for cell, error in zip(cells, errors, strict=True)
    ]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else escaped(str(value))


def _warned(rows: Sequence[Shown]) -> dict[str, list[str]]:
    """The names of the candidates with each warning."""
    said: dict[str, list[str]] = {}
    for row in rows:
        slugs = row.get("warnings")
        for slug in slugs if isinstance(slugs, list) else ():
            said.setdefault(slug, []).append(str(row["name"]))
    return said
