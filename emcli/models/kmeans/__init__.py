"""K-means: hard EM."""
