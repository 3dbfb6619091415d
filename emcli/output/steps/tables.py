"""EM at work as tables for people: the numbers of each step beside the formulas that lead from one to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from emcli.errors import escaped
from emcli.inference.steps.worked import ShownIteration, ShownRow, Steps
from emcli.models import worked_steps
from emcli.models.worked import Sheet, Worked, plain
from emcli.output.fit_tables import objective, title, verdict
from emcli.output.numbers import gain, number, scores
from emcli.output.page import Block, Grid, Line, Page
from emcli.output.parameter_tables import MAX_NAME, within
from emcli.output.steps.digits import SUM_DIGITS, Digits, Shown

MAX_COMPONENTS = 20  # in the table of a row
KINDS = {  # of steps that are no M-steps
    "newton": "a step of Newton's method",
    "quasi-newton": "a step of a quasi-Newton method",
    "polish": "a last step of Newton's method",
    "escape": "a step off a saddle point",
    "boundary": "a step to the boundary of the parameters",
}
RULE = 78  # characters of the line that an iteration begins with


def print_steps(steps: Steps, page: Page) -> None:
    """Print the iterations."""
    precise = steps.with_digits()
    steps, digits = precise.steps, Digits(precise)
    result = steps.result
    blocks: list[Block] = [[title(result), *_begun(steps)]]
    for iteration in steps.iterations:
        blocks += _iteration(steps, iteration, digits, page)
    lines = [verdict(result)]
    if steps.exact is not None:
        lines.append(
            f"The fit itself takes the smallest inertia of all, {number(steps.exact)}, which is computed directly."
        )
    page.write([_for_markdown(block) for block in blocks] if page.is_markdown else blocks, lines)


def _for_markdown(block: Block) -> Block:
    """A block whose headings, formulas and tables Markdown tells apart."""
    if not isinstance(block, list):
        return block
    made: list[str | Grid] = []
    for part in block:
        if isinstance(part, Grid):
            made += [*([""] if made and made[-1] else []), part]
        else:
            rule, _, name = part.partition("── ")
            item = f"- {part[2:]}" if part.startswith("  ") else part
            made.append(f"### {name.strip('─ ')}" if name and not rule else item)
    return made


def _begun(steps: Steps) -> Iterator[str]:
    """Where the run began, and which component is which of the start values."""
    run, result = steps.run, steps.result
    if run.kind == "given":
        yield "Begins at the given start values."
        if list(steps.order) != sorted(steps.order) and len(steps.order) <= MAX_COMPONENTS:
            which = [f"{steps.noun} {new} was given as number {old + 1}" for new, old in enumerate(steps.order, 1)]
            yield f"Numbers are those at the end: {', '.join(which)}."
    elif run.source is not None:
        yield f"Begins where a move from start {run.source} led (--restarts 10 shows a start as it was drawn)."
    else:
        drawn = sum(other.source is None and other.kind != "exact" for other in result.ledger)
        best = f", the best of {drawn}," if drawn > 1 else ","
        yield f"Begins at start {run.start}{best} drawn by {run.kind} (--start FILE begins elsewhere)."


def _iteration(steps: Steps, shown: ShownIteration, digits: Digits, page: Page) -> Iterator[Block]:
    worked = worked_steps(steps.result.kind.name)
    noun = worked.noun
    labels = [escaped(name, MAX_NAME) for name in steps.result.called]
    name = f"Iteration {shown.number}" + (": the start" if shown.number == 0 else "")
    if shown.step not in (None, "em"):
        name += f", by {KINDS.get(shown.step, shown.step)}"
    yield [
        Line(f"── {name} ".ljust(min(RULE, page.width), "─"), "bold"),
        _score(steps, shown),
        *_parameters(shown.sheet, labels, noun, digits, page.width),
    ]
    if shown.rows:
        yield [Line(worked.e_title.format(noun=noun), "bold"), *_indented(shown.e_step)]
    for row in shown.rows:
        yield list(_row(row, labels, noun, digits, page.width))
    yield from _m_step(steps, shown, labels, noun, digits, page)


def _score(steps: Steps, shown: ShownIteration) -> str:
    value = shown.measures.objective
    text = scores([value], 6)[0] if value is not None else "unknown"
    line = f"{objective(steps.result)} {text}"
    if shown.gain is None or value is None:
        return line
    return f"{line} ({gain(value, value - shown.gain)} since iteration {shown.number - 1})"


def _parameters(sheet: Sheet, labels: Sequence[str], noun: str, digits: Digits, width: int) -> Iterator[Grid | str]:
    columns = [digits.shown(column, 0) for group in sheet.groups for column in group]
    yield from within(_grid([(noun, list(labels), ""), *columns]), width)


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _row(row: ShownRow, labels: Sequence[str], noun: str, digits: Digits, width: int) -> Iterator[Grid | str]:
    often = "" if row.weight == 1 else f" (weight {plain(row.weight)})"
    if row.worked is None:
        why = "has weight 0" if row.weight == 0 else f"says nothing of the {noun}s"
        yield f"Row {row.number} {why}, and is left out of all sums."
        return
    known = "" if row.known is None else f", known to be of {escaped(row.known, MAX_NAME)}"
    yield f"Row {row.number}{often}: {row.worked.about}{known}"
    kept = _likeliest(row.worked, len(labels))
    for sheet in row.worked.sheets:
        chosen = sheet if kept is None else sheet.ordered(kept)
        yield from _apart(_sheet(chosen, [labels[i] for i in kept or range(len(labels))], noun, digits, width))
    if kept is not None:
        yield f"Not shown: the {len(labels) - len(kept)} {noun}s that are farthest from it; --json has all."


def _likeliest(worked: Worked, k: int) -> list[int] | None:
    """The components to show of a row where there are very many; None: all of them."""
    if k <= MAX_COMPONENTS:
        return None
    near = worked.numbers.get("responsibility", -worked.numbers.get("squared_distance", np.zeros(k)))
    return sorted(np.argsort(-near, kind="stable")[:MAX_COMPONENTS].tolist())


def _m_step(
    steps: Steps, shown: ShownIteration, labels: Sequence[str], noun: str, digits: Digits, page: Page
) -> Iterator[Block]:
    """The step to the next iteration, with the sums that an M-step takes."""
    if shown.next_step not in (None, "em"):
        yield f"No M-step leads on from here, but {KINDS.get(shown.next_step, shown.next_step)}; --solver em has none."
        return
    heading = worked_steps(steps.result.kind.name).m_title.format(rows=steps.result.data.count)
    if shown.collapse is not None:
        yield [Line(heading, "bold"), f"  It has no maximum: {shown.collapse}."]
        return
    assert shown.sums is not None
    lines: list[str] = [Line(heading, "bold")]
    if shown.next_step is None:
        ends = "one more, which the fit does not make: it ends here"
        on = "one more by plain EM; `fit` goes on by Newton's method, with its polish"
        lines.append(f"  {on if steps.polished else ends}")
    if steps.result.data.row_weights is not None:
        lines.append("  each row as often as its weight says")
    for sheet in shown.sums.sheets:
        lines += _indented(sheet.formulas)
        if sheet.groups:
            yield [*lines, *_apart(_sheet(sheet, labels, noun, digits, page.width))]
            lines = []
    notes = [f"{noun.capitalize()} {labels[i]} {note}." for i, note in sorted(shown.sums.notes.items())]
    if not shown.sums.sheets:
        notes.append("Not shown: sums of so many columns; --json has them.")
    if lines or notes:
        yield [*lines, *notes]


def _sheet(sheet: Sheet, labels: Sequence[str], noun: str, digits: Digits, width: int) -> Iterator[Grid]:
    """The tables of a sheet, cut between groups where it is too wide."""
    if not sheet.groups:
        return
    every = [column for group in (sheet.lead, *sheet.groups) for column in group]
    sums = digits.of(every) + SUM_DIGITS
    names: Shown = (noun, list(labels), "sum")
    lead = [names, *(digits.shown(column, sums) for column in sheet.lead)]
    groups = [[digits.shown(column, sums) for column in group] for group in sheet.groups]
    yield from (_grid(columns) for columns in _packed(lead, groups, width))


def _apart(grids: Iterator[Grid]) -> Iterator[Grid | str]:
    """Tables with an empty line between them."""
    for i, grid in enumerate(grids):
        yield from ([""] if i else [])
        yield grid


def _packed(lead: list[Shown], groups: Sequence[list[Shown]], width: int) -> Iterator[list[Shown]]:
    """Columns of tables that fit a width, those of one group in one table where that is possible."""
    columns = list(lead)
    for more in groups:
        if _grid([*columns, *more]).width <= width:
            columns += more
            continue
        if len(columns) > len(lead):
            yield columns
            columns = list(lead)
        for column in more:
            if len(columns) > len(lead) and _grid([*columns, column]).width > width:
                yield columns
                columns = list(lead)
            columns.append(column)
    if len(columns) > len(lead):
        yield columns


def _grid(columns: Sequence[Shown]) -> Grid:
    rows = list(zip(*(cells for _, cells, _ in columns), strict=True))
    if any(total for _, _, total in columns[1:]):
        rows.append(tuple(total for _, _, total in columns))
    return Grid([title for title, _, _ in columns], rows)
