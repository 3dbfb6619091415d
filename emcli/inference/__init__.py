"""Fitting: solvers, convergence, starts, diagnostics, prediction and simulation."""
