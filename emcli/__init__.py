"""Expectation-maximization from the shell: K-means, binomial (coins) and Gaussian mixtures."""

__version__ = "0.1.0"
