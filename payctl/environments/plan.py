"""A preview of a deployment in every place: what would be made, changed, replaced or removed. Changes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payctl.cloud import together
from payctl.environment import Environment, Survey
from payctl.environments import foresee, package
from payctl.environments.deploy import Deployment, Options
from stacksets.change_sets import Change, preview
from stacksets.errors import ToolError
from stacksets.model import Definition, Stack
from stacksets.stack import differences

GLOBAL = "global"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The changes by place; `refused` is what AWS does not do in one step, `notes` what limits this preview."""

    places: tuple[str, ...]
    changes: tuple[Change, ...]
    steps: tuple[str, ...]
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 nothing to do, 2 changes, 3 changes that lose data or that AWS refuses."""
        if self.refused or any(change.loses_data for change in self.changes):
            return 3
        return 2 if self.changes or self.steps else 0


def plan(environment: Environment) -> Plan:
    """Preview `payctl deploy`. Only templates are uploaded, under their hash, for change sets to read."""
    return Planning(environment).run()


class Planning:
    """One run of `plan`."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.deployment = Deployment(environment, Options())
        self.notes: list[str] = []

    def run(self) -> Plan:
        environment = self.environment
        environment.report.phase("Look at what is there")
        survey = environment.survey()
        places = (*environment.regions, GLOBAL)
        steps = self.deployment.planned(survey)
        if not steps:
            return Plan(places=places, changes=(), steps=())
        environment.report.phase("Preview every place")
        changes = together(lambda place: self._changes(survey, place), places)
        return Plan(
            places=places,
            changes=tuple(change for found in changes.values() for change in found),
            steps=steps,
            refused=tuple(self._refused(survey)),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _changes(self, survey: Survey, place: str) -> tuple[Change, ...]:
        found = self._global(survey) if place == GLOBAL else self._regional(survey, place)
        self.environment.report.line(place, "COMPLETE", f"{len(found)} changes")
        return found

    def _regional(self, survey: Survey, region: str) -> tuple[Change, ...]:
        template, environment = self.deployment.regional, self.environment
        if region not in survey.usable:
            # Linked at the end of the same deployment: the resources of the link are part of the plan.
            wanted = self.deployment.regional_definition(survey, "unused").parameters
            linked = {**wanted, "KeyArns": ",".join(f"arn:aws:kms:{each}" for each in environment.regions)}
            return tuple(foresee.creations(template.document, linked, region, region))
        url = package.upload_template(environment.cloud, template, region=region)
        definition = self.deployment.regional_definition(survey, url, link=survey.complete)
        held = survey.stack_set.template if survey.stack_set else "{}"
        return self._preview(survey.stacks[region], definition, region, held, template.document)

    def _global(self, survey: Survey) -> tuple[Change, ...]:
        template, environment = self.deployment.world, self.environment
        stack = survey.global_stack
        if stack.status.absent or stack.status.unusable or not survey.complete:
            parameters = {"KeyArns": ",".join(f"arn:aws:kms:{each}" for each in environment.regions)}
            return tuple(foresee.creations(template.document, parameters, environment.home, GLOBAL))
        url = package.upload_template(environment.cloud, template, region=environment.home)
        definition = self.deployment.global_definition(survey, url)
        held = environment.stacks(environment.home).template(stack.name)
        return self._preview(stack, definition, GLOBAL, held, template.document)

    def _preview(
        self, stack: Stack, definition: Definition, place: str, held: str, wanted: Mapping[str, Any]
    ) -> tuple[Change, ...]:
        stacks = self.environment.stacks(stack.region)
        try:
            return preview(stacks, stack, definition, place)
        except ToolError as error:
            self.notes.append(f"{place}: no change set, templates and parameters compared instead: {error.message}")
            names = differences(stack.parameters, definition.parameters)
            changed = {name: (stack.parameters.get(name, ""), definition.parameters.get(name, "")) for name in names}
            return tuple(foresee.comparison(json.loads(held), wanted, place, changed))

    def _refused(self, survey: Survey) -> list[str]:
        found = []
        if survey.stack_set and survey.usable:
            found += foresee.refusals(json.loads(survey.stack_set.template), self.deployment.regional.document)
        if not survey.global_stack.status.absent:
            held = self.environment.stacks(self.environment.home).template(survey.global_stack.name)
            found += foresee.refusals(json.loads(held), self.deployment.world.document)
        return found
