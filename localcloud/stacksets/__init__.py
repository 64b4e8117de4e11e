"""The StackSets API on the wire, served as AWS serves it for self-managed permissions."""
