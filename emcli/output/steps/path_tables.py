"""The parameters at each iteration of the best start, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan

from emcli.config.covariances import has_correlations
from emcli.data.dataset import Dataset
from emcli.errors import escaped
from emcli.inference.fit_result import FitResult
from emcli.inference.steps.path import Path
from emcli.models.base import AnyModel
from emcli.models.plain_values import Share, Titled
from emcli.output.numbers import in_one_form, scores
from emcli.output.page import Block, Grid
from emcli.output.parameter_tables import MAX_NAME

DERIVED = ("rows", "variance", "volume")  # columns that follow from the others, or from the rows alone
MAX_COLUMNS = 24  # of parameters that are shown of each component


def parameter_path(kind: type[AnyModel], data: Dataset, tol: float) -> Path[list[Titled]]:
    """A recorder of the parameters of each component, in the user's units."""
    rows = data.rows

    def columns(_: int, model: AnyModel) -> list[Titled]:
        parameters = model.to_original(rows.scaling).to_parameters()
        table = kind.table(parameters, data.columns, rows.total)
        return [column for column in table if column[0] not in DERIVED][:MAX_COLUMNS]

    return Path(tol, columns)


def path_tables(result: FitResult, path: Mapping[int, list[Titled]], width: int) -> Iterator[Block]:
    """A row for each iteration: its log-likelihood (K-means: inertia), and each parameter of every component.

    Components have the numbers that they have at the end.
    """
    rows = result.data.rows
    called, order = result.called, result.best.model.to_original(rows.scaling).order_in(rows).tolist()
    places = [*order, *range(len(order), len(called))]  # with noise, which comes last
    iterations = sorted(path)
    titles, columns = ["iteration"], [[result.best.numbered[i] for i in iterations]]
    fixed = result.settings.model.mixing == "equal"
    for j, (title, _) in enumerate(path[iterations[0]]):
        cells = [path[i][j][1] for i in iterations]
        if fixed and isinstance(cells[0][0], Share):
            continue
        for place, component in enumerate(places):
            if isnan(cells[0][component]):
                continue
            titles.append(f"{title}\nof {escaped(called[place], MAX_NAME)}")
            columns.append(in_one_form([float(each[component]) for each in cells]))
    scored = [measures.objective or 0.0 for measures in result.measures(result.best)]
    shown = scores([scored[i] for i in iterations], apart=False)
    whole = Grid.of([titles[0], result.objective_name, *titles[1:]], [columns[0], shown, *columns[1:]])
    if whole.width <= width:
        yield whole
    else:
        apart = Grid.of(titles, columns)  # the log-likelihood stands in the table before
        yield from apart.within(width, len(order) if max(apart.widths) * len(order) < width else 1)
    about = (
        "covariances" in result.parameters
        and has_correlations(result.settings.model.covariance)
        and len(result.data.columns) > 1
    )
    if about or len(path[iterations[0]]) == MAX_COLUMNS:
        what = "covariances between columns" if about else "the other columns"
        yield f"Not shown: {what}; --trace FILE writes all parameters of each iteration."
