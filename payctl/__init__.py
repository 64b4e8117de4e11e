"""The operator's tool: deploys the templates to every Region by StackSet, and operates what runs there."""
