"""The operator's tool: deploys templates/*.json to every Region by StackSet and tends what runs there."""
