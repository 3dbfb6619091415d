"""The limits and constants that docs/ tells, with the words it tells them in."""

from __future__ import annotations

from emcli.comparison import gap, likelihood_ratio, ranking, silhouette
from emcli.config import checks, experiment, saved_fit, settings
from emcli.data import dataset, identifiers, points, scaling, weights
from emcli.data.table import row_problems
from emcli.data.table.table import ReadSizes
from emcli.inference import convergence, diagnostics, information, newton, runs
from emcli.inference.search import optima, screening, search, trials
from emcli.models import quasi_newton
from emcli.models.coins import mixture as coins
from emcli.models.gmm import checks as gmm
from emcli.models.gmm import full, spurious
from emcli.models.kmeans import model as kmeans

Row = list[str]
MAX_COMPONENTS = 10_000


def limits() -> list[Row]:
    """What is refused beyond these."""
    sizes, components = ReadSizes(), settings.CHECKS["k"]
    assert components(MAX_COMPONENTS) == MAX_COMPONENTS and not components.holds(MAX_COMPONENTS + 1)  # type: ignore[attr-defined]
    values: list[tuple[str, float]] = [
        ("components of a model", MAX_COMPONENTS),
        ("columns of a file", sizes.columns),
        ("bytes of a line, characters of a quoted cell", sizes.longest),
        ("sum of the row weights", weights.MAX_TOTAL_WEIGHT),
        ("different true labels", dataset.MAX_LABELS),
        ("heads, and tosses of a row", checks.MAX_EXACT),
        ("smallest standard deviation of a column", 10.0**-scaling.MAX_SD_DECIMALS),
        ("largest standard deviation of a column", 10.0**scaling.MAX_SD_DECIMALS),
        ("k·d·d, the numbers in all covariance matrices of d columns", gmm.MAX_NUMBERS),
        ("rows that `generate` draws", experiment.MAX_ROWS),
        ("bytes of an experiment", experiment.MAX_YAML),
        ("bytes of a fit's JSON", saved_fit.MAX_BYTES),
        ("cells and rows that cannot be read and are listed; the others are counted", row_problems.MAX_SHOWN),
    ]
    return [[what, _number(value)] for what, value in values]


def constants() -> list[Row]:
    """The numbers behind what the page on numerics says."""
    values: list[tuple[float, str]] = [
        (full.MIN_VARIANCE, "share of the data's variance, below which a component has collapsed"),
        (
            convergence.MAX_WEIGHT_CHANGE,
            "relative change of a mixing weight in a step, above which no fit has converged",
        ),
        (convergence.TEST_EVERY, "iterations between tests of what is left to gain"),
        (
            convergence.CONFIRMATIONS,
            "steps in a row with a gain below rounding, or projected below tol, that end a fit",
        ),
        (runs.MAX_SCORED_PARAMETERS, "parameters up to which the information is computed,"),
        (runs.MAX_SCORED_PRODUCTS, "and rows times squared parameters up to which it is"),
        (convergence.PATIENCE, "iterations of plain EM, from which one that cannot become the best is given up"),
        (newton.WARM_UP_STEPS, "EM steps before the first Newton step"),
        (newton.RENEWED_EVERY, "Newton steps, after which the information is computed anew"),
        (runs.MAX_NEWTON_PARAMETERS, "parameters up to which Newton's steps are the default"),
        (information.MAX_STEP, "most that a natural parameter moves in one Newton step: about half an sd"),
        (quasi_newton.WARM_UP_STEPS, "EM steps at least before the first quasi-Newton step"),
        (quasi_newton.MOST_GAIN, "log-likelihood that one of them may gain before the first quasi-Newton step"),
        (quasi_newton.MAX_COORDINATES, "coordinates up to which there are quasi-Newton steps"),
        (newton.MAX_POLISH_STEPS, "Newton steps at most from the end of the best fit"),
        (search.FIRST_STARTS, "independent starts that must end with a model, with k above 1"),
        (search.MORE_STARTS, "starts in all, where the first ended at several optima"),
        (search.TRIES, "moves without success that end the search, and"),
        (search.TRIES_PER_PAIR, "times k² more,"),
        (search.MAX_TRIES, "but never more than this"),
        (optima.SAME_OPTIMUM_NATS, "difference of two log-likelihoods up to which they are one optimum's"),
        (optima.SAME_OPTIMUM_INERTIA_SHARE, "the same for K-means, as a share of the inertia"),
        (trials.TRIAL_STEPS, "EM steps after which a move is given up or goes on"),
        (screening.MIN_SCREENED_ROWS, "rows from which starts climb on a sample first"),
        (screening.SAMPLE_ROWS, "rows of that sample, or more where there are many parameters"),
        (screening.MAX_FINISHED, "optima of the sample that go on with all rows"),
        (screening.SURE_ERRORS, "standard errors by which one of these lies too low to go on"),
        (spurious.MIN_EIGENVALUE, "eigenvalue, relative to the pooled covariance, below which a component is narrow"),
        (spurious.MIN_EVIDENCE, "times q ln N: evidence below which a narrow component is set aside"),
        (spurious.MIN_UNIT_SHARE, "of a column's unit: an sd below it shows no more than rounding"),
        (diagnostics.MOSTLY, "share of the starts that collapsed, from which a warning says so"),
        (coins.MAX_BOUND_ROWS, "different rows of coins up to which the bound is computed"),
        (kmeans.MAX_DISTINCT_FOR_OPTIMUM, "different values of one column up to which K-means is solved exactly"),
        (points.MAX_SD_RATIO, "ratio of two columns' sds from which K-means warns that one decides alone"),
        (identifiers.MIN_ROWS, "rows from which integers in equal steps are taken for row numbers"),
        (silhouette.MAX_ROWS, "rows up to which the silhouette is that of all of them"),
        (silhouette.SAMPLE_ROWS, "rows of the sample that it is taken of otherwise"),
        (gap.REFERENCES, "data sets without clusters that the gap statistic draws"),
        (ranking.CLOSE, "difference of BIC up to which fits are not distinguishable"),
        (likelihood_ratio.LEVEL, "p of `--test` up to which more components are needed"),
        (likelihood_ratio.MAX_EXCEEDANCES, "replicates with as large a statistic that end a test"),
    ]
    return [[_number(value), what] for value, what in values]


def _number(value: float) -> str:
    """A number as people write it."""
    if value in (2**53, 2**25):
        return f"2^{int(value).bit_length() - 1}"
    if value >= 1 << 20 and value % (1 << 20) == 0 and value < 1e12:
        return f"{int(value) >> 20} MiB"
    if value == int(value) and value < 1e8:
        return f"{int(value):,}"
    return f"{value:g}".replace("e+", "e").replace("e-0", "e-").replace("e0", "e")
