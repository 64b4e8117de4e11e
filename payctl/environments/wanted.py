"""What the StackSet and the global stack of an environment shall be, and whether they are that already."""

from collections.abc import Sequence

from payctl.environment import Environment, Survey
from payctl.outcomes import streams
from payctl.payments import merchants
from payctl.releases import package, templates
from payctl.releases.package import Package
from payctl.releases.templates import Template
from stacksets.model import Definition
from stacksets.stack import differences, same_template

NOT_UPLOADED = "none,none,none"  # the versions of code, in a plan


class Wanted:
    """By templates, code and settings."""

    def __init__(self, environment: Environment, *, test_faults: bool) -> None:
        self.environment = environment
        self.settings = environment.settings
        self.test_faults = test_faults
        self.regional, self.world, self.package = self.load()
        self.code_versions = ""  # once it is uploaded

    def load(self) -> tuple[Template, Template, Package]:
        """The templates, of a Region and of what spans Regions, and the code."""
        regional, world = templates.read("regional"), templates.read("global")
        merchants.require_template(regional.document, self.settings)
        return regional, world, package.build()

    def changed(self, survey: Survey) -> tuple[str, ...]:
        """What of the StackSet's definition differs: names of parameters, "template", "tags", "roles"."""
        present = survey.stack_set
        if present is None:
            return ()
        wanted = self.regional_definition(survey, url="")
        roles = (present.administration_role_arn, present.execution_role_name)
        return (
            *(() if same_template(present.template, self.regional.text) else ("template",)),
            *differences(present.parameters, wanted.parameters),
            *(("tags",) if differences(present.tags, wanted.tags) else ()),
            *(("roles",) if roles != tuple(self.environment.cloud.stack_set_roles.values()) else ()),
        )

    def regional_definition(self, survey: Survey, url: str, *, link: bool = False) -> Definition:
        """What the StackSet shall be: with the Regions' keys once they are linked. While a Region is lost, with those
        they are linked by: without them, the others would lose what serves their callers."""
        whole = link or (survey.linked and survey.complete)
        present = survey.stack_set.parameters if survey.stack_set else {}
        parameters = self.regional_parameters(
            self.code_versions or present.get("CodeVersions") or NOT_UPLOADED,
            survey.key_arns() if whole else survey.linked_keys,
        )
        if streams.NAMES[0] in self.regional.document["Parameters"]:  # not in earlier releases
            parameters |= streams.parameters(self.environment, survey.usable if link or survey.linked else ())
        return templates.definition(self.regional, url, parameters, self.tags())

    def regional_parameters(self, code_versions: str, key_arns: Sequence[str]) -> dict[str, str]:
        """What the StackSet is given, with what only the environment knows."""
        return templates.regional_parameters(
            self.settings,
            code_hash=self.package.hash,
            code_versions=code_versions,
            key_arns=key_arns,
            test_faults=self.test_faults,
        )

    def global_parameters(self, key_arns: Sequence[str], *, absent: str = "") -> dict[str, str]:
        """The same for the global stack."""
        return templates.global_parameters(self.settings, key_arns, absent=absent)

    def tags(self) -> dict[str, str]:
        """Of everything."""
        return templates.tags(self.settings)

    def global_definition(self, key_arns: Sequence[str], url: str, *, absent: str = "") -> Definition:
        """What the global stack shall be; `absent` is the Region whose replica is dropped."""
        return templates.definition(self.world, url, self.global_parameters(key_arns, absent=absent), self.tags())

    def global_differs(self, survey: Survey) -> bool:
        home = self.environment.stacks(self.environment.home)
        return survey.global_stack.status.absent or not home.matches(
            survey.global_stack, self.global_definition(survey.key_arns(), url=""), self.world.text
        )
