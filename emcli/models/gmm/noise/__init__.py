"""Mixtures of Gaussians with one more component, uniform over the data's box, that takes the outliers."""
