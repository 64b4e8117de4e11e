"""The StackSets API on the wire: any SDK or command-line tool can drive it, with self-managed permissions as on AWS."""
