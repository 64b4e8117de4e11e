"""Acceptance: what no test without an AWS account can show, as a program."""
