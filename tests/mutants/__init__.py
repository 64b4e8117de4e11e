"""Mutants over all of lambda/payments, made by a library and judged by the tests (`make mutants`)."""
