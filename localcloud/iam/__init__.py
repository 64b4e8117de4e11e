"""IAM everywhere: who may do what, judged by the emulator's evaluator and remembered, also where it asks nobody.

`evaluation` judges one call by the documents that bear on it, `documents` reads these from the emulator, `rights` is
what the gaps ask. `execution` holds what CloudFormation does for a resource against the execution role.
"""
