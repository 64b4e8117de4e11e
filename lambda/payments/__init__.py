"""Payments in three Regions: what runs in the functions.

`protocol/` decides and does no I/O. The modules here do the I/O (`store.py` runs the flows, on top of `aws.py`,
`http.py` and `processors/`), translate between the protocol and the format of a service (`api.py`: HTTP, `task.py`:
Step Functions, `attributes.py`: DynamoDB), or are called by Lambda: `function.py`, `janitor.py`, `health.py`.
"""
