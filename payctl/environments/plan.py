"""A preview of a deployment in every place: what would be made, changed, replaced or removed. Changes nothing."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from builder.lint import evaluate
from payctl.cloud import together
from payctl.environment import GLOBAL, Environment, Survey
from payctl.environments.deploy import Deployment, Options
from payctl.environments.gates.refusals import refuse, told
from payctl.releases import package, templates
from stacksets.change_sets import Change, Detail, preview
from stacksets.errors import Cause, ToolError
from stacksets.model import Definition, Stack
from stacksets.stack import differences

TABLES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The changes by place; `refused` is what AWS does not do in one step, `notes` what limits this preview, `tags` the
    tags of everything that change, and `obstacles` why `payctl deploy` would not begin."""

    places: tuple[str, ...]
    changes: tuple[Change, ...]
    steps: tuple[str, ...]
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tags: tuple[Detail, ...] = ()
    obstacles: tuple[Cause, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 nothing to do, 1 `payctl deploy` would refuse, 2 changes, 3 changes that lose data or that AWS refuses."""
        if self.obstacles:
            return 1
        if self.refused or any(change.loses_data for change in self.changes):
            return 3
        return 2 if self.changes or self.steps else 0


def plan(environment: Environment, options: Options | None = None) -> Plan:
    """Preview `payctl deploy` with these options. Only templates are uploaded, under their hash, for change sets to
    read. Raises ToolError where no deployment may begin at all."""
    return Planning(environment, Deployment(environment, options or Options())).run()


class Planning:
    """One run of `plan`."""

    def __init__(self, environment: Environment, deployment: Deployment) -> None:
        self.environment = environment
        self.deployment = deployment
        self.notes: list[str] = []
        self._keys_to_come = [f"arn:aws:kms:{region}" for region in environment.regions]

    def run(self) -> Plan:
        environment = self.environment
        environment.report.phase("Look at what is there")
        survey = environment.survey()
        refuse(environment, survey, recreate=self.deployment.options.recreate, kept=self.deployment.kept)
        places = (*environment.regions, GLOBAL)
        steps = self.deployment.planned(survey)
        if not steps:
            return Plan(places=places, changes=(), steps=())
        obstacles = told(environment, self.deployment.gates())
        environment.report.phase("Preview every place")
        changes: dict[str, tuple[Change, ...]] = {}
        try:
            changes = together(lambda place: self._changes(survey, place), places)
        except ToolError as error:
            if not obstacles:
                raise
            self.notes.append(f"no preview: {error.message}")
        return Plan(
            places=places,
            changes=tuple(change for of_place in changes.values() for change in of_place),
            steps=steps,
            refused=tuple(self._refused(survey)),
            notes=tuple(dict.fromkeys(self.notes)),
            tags=self._tags(survey),
            obstacles=obstacles,
        )

    def _tags(self, survey: Survey) -> tuple[Detail, ...]:
        present = survey.stack_set.tags if survey.stack_set else {}
        wanted = templates.tags(self.environment.settings)
        return tuple(
            Detail(name=name, why="settings", before=present.get(name, ""), after=wanted.get(name, ""))
            for name in (differences(present, wanted) if present else ())
        )

    def _changes(self, survey: Survey, place: str) -> tuple[Change, ...]:
        changes = self._global(survey) if place == GLOBAL else self._regional(survey, place)
        self.environment.report.line(place, "COMPLETE", f"{len(changes)} changes")
        return changes

    def _regional(self, survey: Survey, region: str) -> tuple[Change, ...]:
        template, environment = self.deployment.regional, self.environment
        if region not in survey.usable:
            # Linked at the end of the same deployment: the resources of the link are part of the plan.
            wanted = self.deployment.regional_definition(survey, "unused").parameters
            linked = {**wanted, "KeyArns": ",".join(self._keys_to_come)}
            return tuple(creations(template.document, linked, region, region))
        url = package.upload_template(environment.cloud, template, region=region)
        definition = self.deployment.regional_definition(survey, url, link=survey.complete)
        present = survey.stack_set.template if survey.stack_set else "{}"
        return self._preview(survey.stacks[region], definition, region, present, template.document)

    def _global(self, survey: Survey) -> tuple[Change, ...]:
        template, environment = self.deployment.world, self.environment
        stack = survey.global_stack
        if not stack.status.usable:
            parameters = self.deployment.global_parameters(self._keys_to_come)
            return tuple(creations(template.document, parameters, environment.home, GLOBAL))
        present = environment.stacks(environment.home).template(stack.name)
        if not survey.complete:
            self.notes.append(
                f"{GLOBAL}: the keys to come are not known yet: no change set, templates compared instead"
            )
            return tuple(comparison(json.loads(present), template.document, GLOBAL, ("KeyArns", "AbsentReplica")))
        url = package.upload_template(environment.cloud, template, region=environment.home)
        definition = self.deployment.global_definition(survey.key_arns(), url)
        return self._preview(stack, definition, GLOBAL, present, template.document)

    def _preview(
        self, stack: Stack, definition: Definition, place: str, present: str, wanted: Mapping[str, Any]
    ) -> tuple[Change, ...]:
        stacks = self.environment.stacks(stack.region)
        try:
            return preview(stacks, stack, definition, place)
        except ToolError as error:
            self.notes.append(f"{place}: no change set, templates and parameters compared instead: {error.message}")
            changed = differences(stack.parameters, definition.parameters)
            return tuple(comparison(json.loads(present), wanted, place, changed))

    def _refused(self, survey: Survey) -> list[str]:
        refused = []
        if survey.stack_set and survey.usable:
            refused += refusals(json.loads(survey.stack_set.template), self.deployment.regional.document)
        if not survey.global_stack.status.absent:
            present = self.environment.stacks(self.environment.home).template(survey.global_stack.name)
            refused += refusals(json.loads(present), self.deployment.world.document)
        return refused


def creations(template: Mapping[str, Any], parameters: Mapping[str, str], region: str, place: str) -> list[Change]:
    """Every resource that the template makes in a Region with these parameters."""
    return [
        Change(place=place, resource=name, kind=resource["Type"], action="Add")
        for name, resource in evaluate.created(template, region, parameters).items()
    ]


def comparison(
    before: Mapping[str, Any], after: Mapping[str, Any], place: str, parameters: Collection[str]
) -> list[Change]:
    """Which resources differ in their text or in a parameter: coarser than a change set, blind to replacements."""
    old, new = before.get("Resources", {}), after.get("Resources", {})
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name] or _uses(new[name], parameters)}
    words = {**dict.fromkeys(new.keys() - old.keys(), "Add"), **dict.fromkeys(old.keys() - new.keys(), "Remove")}
    words |= dict.fromkeys(changed, "Modify")
    return [
        Change(place=place, resource=name, kind=(new.get(name) or old[name])["Type"], action=action)
        for name, action in sorted(words.items())
    ]


def refusals(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What DynamoDB and S3 refuse to do in one update (docs/aws.md, "One stack owns a global table" and "Changes that a
    table refuses"), whatever a change set says."""
    old, new = before.get("Resources", {}), after.get("Resources", {})
    refused = []
    for name in sorted(old.keys() & new.keys()):
        earlier, later = old[name].get("Properties", {}), new[name].get("Properties", {})
        if new[name]["Type"] in TABLES:
            indexes, replicas = (
                _names(earlier, listing, key) ^ _names(later, listing, key)
                for listing, key in (("GlobalSecondaryIndexes", "IndexName"), ("Replicas", "Region"))
            )
            if len(indexes) > 1:
                refused.append(f"{name}: DynamoDB makes or drops one index an update, not {_list(indexes)} at once")
            if len(replicas) > 1:
                refused.append(f"{name}: DynamoDB adds or removes one replica an update, not {_list(replicas)} at once")
            if indexes and replicas:
                refused.append(f"{name}: DynamoDB takes a change of indexes and one of replicas in separate updates")
        if new[name]["Type"] == "AWS::S3::Bucket" and _versioned(earlier) and not _versioned(later):
            refused.append(f"{name}: S3 refuses to suspend the versions of a bucket that replicates")
    return refused


def _uses(term: Any, parameters: Collection[str]) -> bool:
    if isinstance(term, dict):
        if term.get("Ref") in parameters:
            return True
        text = term.get("Fn::Sub")
        words = text[0] if isinstance(text, list) else text
        if isinstance(words, str) and any(f"${{{name}}}" in words for name in parameters):
            return True
        return any(_uses(each, parameters) for each in term.values())
    return isinstance(term, list) and any(_uses(each, parameters) for each in term)


def _names(properties: Mapping[str, Any], listing: str, key: str) -> set[str]:
    entries = (
        entry.get("Fn::If", [None, entry])[1] for entry in properties.get(listing, []) if isinstance(entry, dict)
    )
    return {str(entry.get(key)) for entry in entries}


def _versioned(properties: Mapping[str, Any]) -> bool:
    return bool(properties.get("VersioningConfiguration", {}).get("Status") == "Enabled")


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
