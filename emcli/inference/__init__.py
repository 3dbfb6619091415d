"""EM and what is built on it: solvers, convergence, starts, the fit, and what to believe of it."""
