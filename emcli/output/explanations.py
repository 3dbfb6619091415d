"""What each warning says, what it means and what to do: the one place of these texts, by slug."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """A warning explained; backquotes stand around what is typed."""

    says: str  # in a few words, without a full stop
    means: str  # for somebody who meets it the first time, in sentences
    remedy: str  # what to do, without a full stop


WARNINGS = {
    "found-once": Explanation(
        "only one start led to the optimum, and moves from others did not",
        "EM climbs the nearest hill, so a fit is the best of many climbs. Where several of them end at the same top, "
        "a higher one is unlikely to have been missed; this top was reached once, so a higher one may well be there.",
        "more `--restarts`",
    ),
    "optimum-set-aside": Explanation(
        "a higher optimum rests on a component that chance explains: a sliver of a few rows, or a spike on one rounded "
        "value",
        "A Gaussian that shrinks onto a few rows makes them as probable as one likes, so the highest likelihood of all "
        "tells nothing. Such an optimum was found, and the best one without such a component is reported instead.",
        "take the fit; or a smaller `-k`, a simpler `--covariance`",
    ),
    "few-rows": Explanation(
        "a component rests on so few different rows that nobody can tell it from chance, and no better optimum was "
        "found",
        "A component needs more different rows than it has parameters before it describes a group; one that rests on "
        "fewer would look the same in data without that group.",
        "a smaller `-k`, a simpler `--covariance`",
    ),
    "collapsed-starts": Explanation(
        "most starts collapsed onto too few rows",
        "A start whose component shrinks onto a few rows, or a line of them, is given up. So many were that little of "
        "the likelihood has been searched.",
        "a smaller `-k`, a simpler `--covariance`",
    ),
    "identical-components": Explanation(
        "two components are the same",
        "Fewer components describe these data as well: the fit has used one of them twice.",
        "a smaller `-k`",
    ),
    "not-identifiable": Explanation(
        "the data cannot tell these parameters from others",
        "Other values of the parameters, also very different ones, make these data exactly as probable, however many "
        "rows there are. What the components say together holds; what a single one says does not.",
        "a smaller `-k`; coins: more tosses in a row",
    ),
    "symmetric-start": Explanation(
        "the start had equal components",
        "Components that begin equal get equal shares of every row, and so stay equal at each step of EM.",
        "another `--seed`, or other `start:` values",
    ),
    "saddle": Explanation(
        "stuck at a saddle point that is no maximum",
        "Each step of EM is flat here, but the log-likelihood is higher on either side: there is a better fit nearby.",
        "try other starts; leave out `--solver em`, which stays there",
    ),
    "one-component-suffices": Explanation(
        "BIC prefers one component of this shape",
        "One component of the same shape describes the data nearly as well with fewer parameters, so the groups that "
        "were found need not be there.",
        "take `-k 1`, or try another `--covariance`",
    ),
    "slow": Explanation(
        "stopped at `--max-iter`, and how much is left to gain",
        "The parameters were still moving when the bound on iterations was reached, so they are not yet those of an "
        "optimum.",
        "raise it",
    ),
    "scale": Explanation(
        "one column is so wide that it alone decides the clusters",
        "K-means and spherical Gaussians measure distances in the units of the columns: grams beside kilometres are a "
        "choice of yours, and it decides which rows are near each other.",
        "`--standardize`",
    ),
    "identifier": Explanation(
        "a column numbers the rows, and counts as if measured",
        "Numbers that only name the rows, such as 1, 2, 3, say nothing of them, but a model takes them for a "
        "measurement and cuts the rows into first and last ones.",
        "the `--exclude` it tells",
    ),
    "bootstrap-refused": Explanation(
        "components change places from replicate to replicate, or collapse",
        "Standard errors come from refits of data drawn from the fit. Where a component of a refit cannot be matched "
        "with one of the fit, there is nothing that they would be errors of.",
        "a smaller `-k`",
    ),
    "empty-cluster": Explanation(
        "a cluster lost all its rows on the way, and took the farthest row",
        "Another centroid was nearer to each of its rows. It began anew at the row that is farthest from its centroid, "
        "so that the fit keeps its number of clusters.",
        "nothing; where it happens often, a smaller `-k`",
    ),
    "zero-inertia": Explanation(
        "every row lies exactly on its centroid",
        "There are as many clusters as different rows, so nothing is left to explain, and no AIC or BIC.",
        "a smaller `-k`",
    ),
    "dropped-rows": Explanation(
        "rows with missing cells were left out",
        "The fit describes the complete rows alone. Where cells are missing for a reason, those are not like the "
        "others.",
        "look at why they are missing",
    ),
    "header-guess": Explanation(
        "the first row could be names or numbers",
        "It was taken for the one that the message says; wrong, it would be a row too many, or too few.",
        "say so by `--header` or `--no-header`",
    ),
    "unnamed-column": Explanation(
        "a column of the header has no name",
        "It is called by its number. R and pandas write the names of rows so, which are no measurements.",
        "`--exclude 1`, if these are names of rows",
    ),
    "underflow": Explanation(
        "numbers are too small for a double, and read as 0",
        "Numbers below 5e-324 have no other representation.",
        "multiply the column by a constant",
    ),
    "rounded-integers": Explanation(
        "integers beyond 2^53 are rounded, so that it shows",
        "A double holds 53 binary digits. Larger integers are read as multiples of 2, 4, ..., and the column varies so "
        "little that this may move the fit.",
        "subtract a constant from the column first",
    ),
    "no-tosses": Explanation(
        "rows without tosses are left out",
        "A row of 0 tosses is as probable with any coin.",
        "nothing",
    ),
    "fractional-weights": Explanation(
        "row weights are not whole numbers",
        "A weight of 3 is the row three times; AIC, BIC and ICL take the sum of the weights for the number of rows.",
        "nothing, where the weights are frequencies",
    ),
    "weights-are-shares": Explanation(
        "row weights sum to less than the rows",
        "They are no frequencies, but shares, so BIC and ICL count the rows instead. The parameters do not depend on "
        "the unit of weights.",
        "multiply them by the factor it tells",
    ),
    "nesting": Explanation(
        "`compare`: worse than a model that it holds",
        "A model with more freedom can always do as well as a special case of it. This one did not, so its best "
        "optimum was not found, or was set aside.",
        "more `--restarts`",
    ),
    "data-not-at-hand": Explanation(
        "`compare`: saved K-means fits are ranked by an index that needs no data",
        "Silhouettes and gaps are made of the distances between rows, which the JSON of a fit does not hold.",
        "run it where their data are",
    ),
    "different-data": Explanation(
        "`compare`: the fits are of different data",
        "Likelihoods of different rows, columns or units have no order; each group is ranked by itself.",
        "compare fits of one file",
    ),
    "not-distinguishable": Explanation(
        "`compare`: others are less than 2 apart from the best by BIC (AIC, ICL)",
        "So small a difference is not worth more than a bare mention (Kass & Raftery 1995): the next sample may well "
        "turn it round.",
        "take the simplest",
    ),
    "edge-of-grid": Explanation(
        "`compare`: the best k is the largest asked for",
        "The criterion was still improving where the grid ended, so its best may lie beyond.",
        "a larger `-k`",
    ),
}
