"""Code that a template holds itself, as text."""
