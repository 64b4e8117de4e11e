"""What the environment costs a month, and what limits it: counted uses times dated prices."""
