"""Binomial mixtures: coins."""
