"""Lint for what no public linter sees: what crosses Regions, rights, workflows, event patterns."""
