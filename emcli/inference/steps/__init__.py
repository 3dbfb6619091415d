"""The run of the best start, iteration by iteration: what is kept of it while a fit goes on, and worked examples."""
