"""Payments in three Regions: what runs in the functions."""
