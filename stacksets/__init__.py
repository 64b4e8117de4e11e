"""payctl: the operator's tool over a small StackSet client."""
