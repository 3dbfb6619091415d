"""The options of the command line, each declared once as a type that commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from emcli.cli.framework.declare import (
    DATA,
    MESSAGES,
    MODEL,
    OUTPUT,
    STARTS,
    choice,
    choices,
    explained,
    first_word,
    model_or_experiment,
    option,
    several,
)
from emcli.config.settings import Covariance, Criterion, Init, Missing, Mixing, Solver
from emcli.models import MODELS

Format = Literal["text", "csv", "markdown"]

# What to work on
Target = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|EXPERIMENT",
        help=f"{', '.join(MODELS)}; or an experiment (a YAML file, or an example)",
        autocompletion=model_or_experiment,
    ),
]
Rows = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="a CSV or Parquet file, a folder of them, an example, or - for stdin"),
]
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL|FILE",
        help="a model and its DATA, or experiments (YAML) and saved fits (JSON)",
        autocompletion=first_word,
    ),
]
Recipe = Annotated[
    str, typer.Argument(metavar="SOURCE", help="an experiment (a YAML file, or an example), or a fit's JSON")
]
SavedFit = Annotated[str, typer.Argument(metavar="FIT", help="a fit's JSON")]
NewFolder = Annotated[
    str | None, typer.Argument(metavar="DIR", help="a new folder to copy them into; without it they are listed")
]
Described = Annotated[
    Literal["fit", "compare", "steps", "experiment"],
    typer.Argument(metavar="fit|compare|steps|experiment", help="what to describe: a result's JSON, or an experiment"),
]

Explained = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="WORD", help="a warning, or a word of the tables; without one all are listed", autocompletion=explained
    ),
]

# Model
Components = Annotated[
    int | None, option(MODEL, "-k", "--components", metavar="N", help="number of clusters, coins or Gaussians")
]
ComponentsGrid = Annotated[
    str | None,
    option(MODEL, "-k", "--components", metavar="N|A-B|A,B|auto", help="numbers of clusters, coins or Gaussians"),
]
SHAPES = "full, tied, diag, spherical, or mclust's EII to VVV (full)"
CovarianceShape = Annotated[
    Covariance | None,
    option(MODEL, "--covariance", metavar="SHAPE", help=f"shape: {SHAPES}"),
]
CovarianceGrid = Annotated[
    str | None,
    option(MODEL, "--covariance", metavar="A,B|all", help=f"shapes: {SHAPES}", complete=several("covariance")),
]
MixingWeights = Annotated[Mixing | None, choice(MODEL, "mixing", "mixing weights estimated, or fixed at 1/k")]
MixingGrid = Annotated[str | None, choices(MODEL, "mixing", "mixing weights estimated, or fixed at 1/k")]
Prior = Annotated[
    str | None, option(MODEL, "--prior", metavar="default|A", help="gmm: mclust's prior; coins: Beta(A, A) (none)")
]
PriorGrid = Annotated[
    str | None,
    option(MODEL, "--prior", metavar="default|A,B", help="gmm: mclust's prior; coins: Beta(A, A) (none)"),
]
Noise = Annotated[bool | None, option(MODEL, "--noise/--no-noise", help="one more component, uniform, for outliers")]
NoiseGrid = Annotated[
    str | None,
    option(MODEL, "--noise", metavar="true|false,true", help="one more component, uniform, for outliers (false)"),
]
Standardize = Annotated[
    bool | None,
    option(MODEL, "--standardize/--no-standardize", help="scale each column to unit standard deviation"),
]

# Data
Columns = Annotated[
    str | None, option(DATA, "--columns", metavar="A,B", help="columns to use, by name, number or range (4-8)")
]
Exclude = Annotated[str | None, option(DATA, "--exclude", metavar="A,B", help="columns to leave out, named likewise")]
RowWeights = Annotated[
    str | None,
    option(DATA, "--row-weights", metavar="NAME", help="column of frequency weights: 3 counts the row three times"),
]
Heads = Annotated[str | None, option(DATA, "--heads", metavar="NAME", help="column of heads counts")]
Tosses = Annotated[
    str | None, option(DATA, "--tosses", metavar="NAME", help="column of toss counts, or their number in each row")
]
Tails = Annotated[str | None, option(DATA, "--tails", metavar="NAME", help="column of tails counts, instead of tosses")]
Flips = Annotated[str | None, option(DATA, "--flips", metavar="NAME", help="column of strings such as HTTH or 0110")]
Truth = Annotated[str | None, option(DATA, "--truth", metavar="NAME", help="column of true labels, to compare with")]
Known = Annotated[
    str | None, option(DATA, "--known", metavar="NAME", help="column that names the component of some rows")
]
MissingCells = Annotated[
    Missing | None, choice(DATA, "missing", "rows with missing cells; use: what is observed (error)")
]
MissingNewCells = Annotated[
    Literal["error", "drop", "use", "keep"] | None,
    option(DATA, "--missing", help="rows with missing cells; use what they have, or keep them as they are (error)"),
]
MissingMarks = Annotated[
    str | None, option(DATA, "--na", metavar="A,B", help="more marks of a missing cell, besides NA, NaN, null")
]
Decimal = Annotated[str | None, option(DATA, "--decimal", metavar="C", help="decimal mark of numbers: , or . (.)")]
Thousands = Annotated[
    str | None, option(DATA, "--thousands", metavar="C", help="mark between groups of digits: , . ' _ space (none)")
]
Delimiter = Annotated[
    str | None, option(DATA, "--delimiter", metavar="C", help="character between cells (default: detected)")
]
Header = Annotated[
    bool | None, option(DATA, "--header/--no-header", help="is the first row a header (default: detected)")
]
Comment = Annotated[
    str | None, option(DATA, "--comment", metavar="C", help="character that begins a comment line (none)")
]
SkippedLines = Annotated[
    int | None, option(DATA, "--skip", metavar="N", help="lines to skip at the top of the file (0)")
]
Memory = Annotated[
    str | None,
    option(
        DATA, "--memory", metavar="SIZE", help="memory for the table, such as 2GB; a larger one goes to disk (half)"
    ),
]
Scheduler = Annotated[
    str | None,
    option(
        DATA,
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster (tcp://HOST:PORT), or local:N workers, to read DATA",
    ),
]

# Starts
Starts = Annotated[Init | None, choice(STARTS, "init", "kinds of starts: all in turn, or one (auto)")]
StartsGrid = Annotated[str | None, choices(STARTS, "init", "kinds of starts: all in turn, or one (auto)")]
Restarts = Annotated[
    str | None,
    option(STARTS, "--restarts", metavar="auto|N", help="random starts: as many as it takes, or exactly N (auto)"),
]
Seed = Annotated[int | None, option(STARTS, "--seed", metavar="N", help="seed of the random starts (0)")]
Tolerance = Annotated[
    float | None,
    option(STARTS, "--tol", metavar="X", help="converged when less than X of log-likelihood is left to gain (1e-6)"),
]
Iterations = Annotated[
    int | None,
    option(STARTS, "--max-iter", metavar="N", help="bound on the iterations of a start; 0: the start alone (10000)"),
]
Steps = Annotated[
    Solver | None, choice(STARTS, "solver", "em: plain EM; newton: Newton steps once EM is slow (newton)")
]
PlainSteps = Annotated[
    Solver | None, choice(STARTS, "solver", "em: plain EM; newton: Newton steps once EM is slow (em)")
]
StartFile = Annotated[
    str | None, option(STARTS, "--start", metavar="FILE", help="start values: a fit's JSON, or YAML parameters")
]
Fix = Annotated[
    str | None,
    option(STARTS, "--fix", metavar="A,B", help="hold these at their start values: weights, means, heads, …"),
]
Bootstrap = Annotated[
    int | None,
    option(STARTS, "--bootstrap", metavar="N", help="standard errors and 95 % intervals from N simulated data sets"),
]
Jobs = Annotated[
    int | None, option(STARTS, "--jobs", metavar="N", help="CPU cores (all); the result is the same for any number")
]

# Output
Json = Annotated[bool | None, option(OUTPUT, "--json", help="print the result as JSON instead of tables")]
TableFormat = Annotated[Format | None, option(OUTPUT, "--format", help="what the tables are printed as (text)")]
PageFormat = Annotated[
    Literal["text", "markdown"] | None, option(OUTPUT, "--format", help="what the tables are printed as (text)")
]
Width = Annotated[
    int | None, option(OUTPUT, "--width", metavar="N", help="columns of the tables (COLUMNS, the terminal's, or 80)")
]
Document = Annotated[
    str | None, option(OUTPUT, "-o", "--output", metavar="FILE", help="write the result as JSON to FILE")
]
Fill = Annotated[
    bool | None,
    option(OUTPUT, "--fill", help="write expected values into missing cells; implies --missing use"),
]
Prefix = Annotated[
    str | None, option(OUTPUT, "--prefix", metavar="NAME", help="put NAME before the names of the new columns")
]
Digits = Annotated[
    int | None,
    option(OUTPUT, "--digits", metavar="N", help="significant digits of new numbers (all that tell them apart)"),
]
Csv = Annotated[str | None, option(OUTPUT, "-o", "--output", metavar="FILE", help="write to FILE")]
Trace = Annotated[
    str | None, option(OUTPUT, "--trace", metavar="FILE", help="stream iterations as JSON lines; - is stdout")
]
Picture = Annotated[
    str | None,
    option(OUTPUT, "--plot", metavar="FILE", help="draw the fit: .png, .svg, .pdf; - is this terminal"),
]
RowPicture = Annotated[
    str | None, option(OUTPUT, "--plot", metavar="FILE", help="draw the rows: .png, .svg, .pdf; - is this terminal")
]
MovingPicture = Annotated[
    str | None,
    option(OUTPUT, "--plot", metavar="FILE", help="draw: .png, .svg, .pdf; animate: .gif, .html; - is this terminal"),
]
Frames = Annotated[
    str | None,
    option(OUTPUT, "--iterations", metavar="LIST", help="draw these side by side, or as frames: data,0,1,5-8,last"),
]
Size = Annotated[
    str | None, option(OUTPUT, "--size", metavar="WxH", help="size of the picture: 9x6 (inches), 1200x800px")
]
Dpi = Annotated[int | None, option(OUTPUT, "--dpi", metavar="N", help="pixels of the picture in an inch (120)")]
Report = Annotated[
    str | None,
    option(OUTPUT, "--report", metavar="FILE", help="write a page to hand in (.html): tables, pictures, warnings"),
]
RequireConvergence = Annotated[
    bool | None, option(OUTPUT, "--require-convergence", help="exit with 1 unless the best fit converged")
]
Ranking = Annotated[Criterion | None, option(OUTPUT, "--criterion", help="what to rank by (bic; kmeans: silhouette)")]
RatioTest = Annotated[
    int | None,
    option(OUTPUT, "--test", metavar="N", help="test each k against k + 1, by N simulated sets"),
]
SaveFits = Annotated[str | None, option(OUTPUT, "--save-fits", metavar="DIR", help="write each fit as JSON into DIR")]
RowCount = Annotated[
    int | None, option(DATA, "-n", "--rows", metavar="ROWS", help="how many rows, instead of SOURCE's own")
]
DrawSeed = Annotated[
    int | None, option(DATA, "--seed", metavar="N", help="seed of the random numbers (SOURCE's own, else 0)")
]
ChosenRows = Annotated[
    str | None, option(OUTPUT, "--rows", metavar="1,2,8", help="rows of the data to show, from 1 (1-3)")
]
ChosenIterations = Annotated[
    str | None,
    option(OUTPUT, "--iterations", metavar="0,1,last", help="iterations to show; 0: the start (0,1,last)"),
]
Labels = Annotated[bool | None, option(DATA, "--labels", help="add a column: the component each row came from")]

# Messages
Quiet = Annotated[bool | None, option(MESSAGES, "-q", "--quiet", help="no warnings, no progress")]
Verbose = Annotated[bool | None, option(MESSAGES, "-v", "--verbose", help="say what was decided")]
Details = Annotated[
    int | None,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        rich_help_panel=MESSAGES,
        help="say what was decided; show every iteration (-vv: with its parameters)",
    ),
]
Debug = Annotated[bool | None, option(MESSAGES, "--debug", help="show a traceback with an error")]
