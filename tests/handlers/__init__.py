"""Whole handlers of production under a seeded adversary, over a simulated wire and in simulated time."""
