"""Load with a record of every answer, faults on purpose, and drills that end in a verdict and a report."""
