"""What rounding takes of a log-likelihood is no fall."""

from __future__ import annotations

import numpy as np
from conftest import fit

SIX = """a,b,c
1.3770841855500988,-0.8127136708701879,2.754168121283351
0.4867343221509967,-0.14778785254675467,0.9734685855390861
1.2137040200665377,1.1451042124055786,2.4274086804775323
1.247833196583954,0.5424987318720933,2.495666432598269
0.09698276856311674,1.5695512635900362,0.19396509099577794
-0.43362235259822113,0.7643305984904274,-0.8672449682595221
"""


def test_constants_rounded_for_all_of_a_few_rows_alike_are_no_fall() -> None:
    """Of six rows in three columns it was 1.4e-14, a twentieth more than the rounding of as many independent terms."""
    found = fit("gmm", "-", "-k", 4, "--restarts", 3, "--covariance", "EVI", stdin=SIX)
    assert found["status"] == "converged" and np.isfinite(found["log_likelihood"])
