"""Payments as people look at them: listed, shown as a whole, exported."""
