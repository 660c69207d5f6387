"""What to do: which projection answers a query, and why. Pure functions of values, standard library only."""
