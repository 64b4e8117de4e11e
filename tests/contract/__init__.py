"""docs/openapi.json against what it describes: the rules, the guide, and the deployed API."""
