"""`python -m tests.bench.trust.cells`: draw the cells `own_*` of the bank, search for their best optima, write both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .search import best

BANK = Path(__file__).resolve().parent / "bank"
Drawn = tuple[str, str, int, dict[str, str], list[str], np.ndarray]  # name, model, k, options, columns, values


def coins(number: int, equal: bool) -> Drawn:
    """Few rows of two to four coins, of 5 to 20 tosses."""
    rng = np.random.default_rng(1000 + 2 * number + equal)
    k = 2 + number % 3
    n, tosses = int(rng.integers(12, 60)), rng.integers(5, 21)
    rates = np.sort(rng.uniform(size=k))
    heads = rng.binomial(tosses, rates[rng.integers(k, size=n)])
    values = np.column_stack([heads, np.full(n, tosses)]).astype(float)
    mixing = "equal" if equal else "free"
    return f"own_coins_{mixing}{number}", "coins", k, {"--mixing": mixing}, ["heads", "tosses"], values


def tied(number: int, outlier: bool) -> Drawn:
    """Two to four Gaussians of one covariance in one to three dimensions, alone or with one far row."""
    rng = np.random.default_rng(2000 + 2 * number + outlier)
    k, d, n = 2 + number % 3, 1 + number % 3, int(rng.integers(50, 130))
    mix = np.eye(d) + 0.4 * np.tri(d, k=-1)
    values = 2.5 * rng.standard_normal((k, d))[rng.integers(k, size=n)] + rng.standard_normal((n, d)) @ mix.T
    if outlier:
        values = np.vstack([values, np.full((1, d), 15.0)])
    name = f"own_tied{'_outlier' * outlier}{number}"
    return name, "gmm", k, {"--covariance": "tied"}, [f"x{j}" for j in range(d)], np.round(values, 5)


def kmeans(k: int) -> Drawn:
    """k clusters that touch, in the plane or in space."""
    rng = np.random.default_rng(3000 + k)
    d, n = 2 + k % 2, 20 * k
    values = rng.uniform(-6, 6, (k, d))[rng.integers(k, size=n)] + rng.standard_normal((n, d))
    return f"own_kmeans{k}", "kmeans", k, {}, [f"x{j}" for j in range(d)], np.round(values, 5)


def unequal(number: int) -> Drawn:
    """Two or three Gaussians on a line, whose sds differ up to five times."""
    rng = np.random.default_rng(4000 + number)
    k, n = 2 + number % 2, int(rng.integers(80, 200))
    which = rng.integers(k, size=n)
    sds = np.array([1.0, 0.3, 1.5])[:k]
    values = (np.array([0.0, 3.0, 7.0])[:k][which] + sds[which] * rng.standard_normal(n))[:, None]
    return f"own_unequal{number}", "gmm", k, {}, ["x"], np.round(values, 5)


def drawn() -> Iterator[Drawn]:
    """All cells of our own."""
    yield from (coins(number, equal) for number in range(3) for equal in (False, True))
    yield from (tied(number, outlier) for number in range(3) for outlier in (False, True))
    yield from (kmeans(k) for k in range(4, 10))
    yield from (unequal(number) for number in range(4))


def text(columns: list[str], values: np.ndarray) -> str:
    """The CSV of a cell."""
    return "\n".join([",".join(columns), *(",".join(f"{v:.12g}" for v in row) for row in values)]) + "\n"


def main() -> None:
    path = BANK / "bank.json"
    cells: list[dict[str, Any]] = [c for c in json.loads(path.read_text()) if not c["data"].startswith("own_")]
    for name, model, k, options, columns, values in drawn():
        (BANK / f"{name}.csv").write_text(text(columns, values))
        arguments = [model, "-k", str(k), *(word for pair in options.items() for word in pair)]
        cells.append({"data": f"{name}.csv", "arguments": arguments, "best": best(model, options, values, k)})
        print(cells[-1], flush=True)
    path.write_text("[\n" + ",\n".join(f" {json.dumps(cell)}" for cell in cells) + "\n]\n")


if __name__ == "__main__":
    main()
