"""The E-step and the M-step of a Gaussian mixture in numbers."""
