"""The rows of a table, which fits of a grid share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emcli.config.settings import DataSettings
from emcli.data.dataset import Dataset, RawTable, read
from emcli.data.points import POINTS
from emcli.data.rows import Requirements
from emcli.data.scaling import ScalingRule
from emcli.errors import EmcliError


def test_fits_of_one_table_share_its_rows_and_each_is_refused_too_many_components(write: Any) -> None:
    file, settings = str(write("six.csv", "x,y\n" + "".join(f"{i},{i * i}\n" for i in range(6)))), DataSettings()
    table, fresh = (read(file, POINTS, settings) for _ in range(2))

    def rows(of: RawTable, k: int, rule: ScalingRule) -> Dataset:
        return of.dataset(Requirements(POINTS, k, rule), settings)

    for rule in (ScalingRule.EACH_COLUMN, ScalingRule.ALL_COLUMNS, ScalingRule.EACH_COLUMN):
        first, second = rows(table, 2, rule), rows(table, 5, rule)
        assert first.rows.values is second.rows.values
        assert np.array_equal(first.rows.values, rows(fresh, 3, rule).rows.values)
        assert first.digest() == second.digest() == rows(fresh, 3, rule).digest()
        with pytest.raises(EmcliError, match="k=7 needs at least 7 rows, got 6"):
            rows(table, 7, rule)
