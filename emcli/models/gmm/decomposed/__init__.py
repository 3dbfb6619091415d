"""Covariances of which the volume, the shape or the orientation is equal in all components."""
