"""Lint for what no public linter sees: what crosses Regions, rights, keys, workflows, event patterns.

`lint` of builder/lint/templates.py takes the three templates and gives findings; `python -m builder.lint` prints them.
"""
