"""Tables whose partitions lie on the workers of a Dask cluster."""
