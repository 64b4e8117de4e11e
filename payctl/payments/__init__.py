"""Payments of an environment: make, follow, compare, repair and close them."""
