"""A seeded adversary around the production code of the payment path; nothing here is imported by it."""
