"""The run of the best start as tables: EM at work, and the parameters of each iteration."""
