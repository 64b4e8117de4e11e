"""templates/*.json by AWS CDK, to measure what its synthesis takes (`make bench PEERS=1`).

CDK reads the finished templates and writes them again: the least that it can be asked to do for the same resources. It
is measured, never deployed.
"""

import json
import tempfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import cloudformation_include

TEMPLATES = Path(__file__).parents[2] / "templates"


def main() -> None:
    """Synthesize to a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, analytics_reporting=False)
        for name in ("regional", "global"):
            template = json.loads((TEMPLATES / f"{name}.json").read_text(encoding="utf-8"))
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::ApiGateway::Model":  # CDK takes its schema as an object only
                    resource["Properties"]["Schema"] = json.loads(resource["Properties"]["Schema"])
            file = Path(folder) / f"{name}.json"
            file.write_text(json.dumps(template), encoding="utf-8")
            cloudformation_include.CfnInclude(cdk.Stack(app, name), "Template", template_file=str(file))
        app.synth()


if __name__ == "__main__":
    main()
