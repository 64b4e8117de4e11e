"""Settings to CloudFormation templates: `python -m builder` writes templates/*.json."""
