"""The protocol that decides who may charge, as flows and values. Nothing here does I/O.

A flow yields batches of requests and is sent their answers (`ports.py`). `values.py` and `record.py` say what is
wanted, decided, final and shown. `idempotency.py` decides and `settlement.py` charges; `flows.py`, `sweep.py` and
`operations.py` put the two together for callers, janitors and operators, `rejoining.py` for a register that was lost.
`lifecycle_table.py` is what all of them may do to a cell.
"""
