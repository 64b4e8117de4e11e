"""Every claim: those with a check, in the order in which they run, and those that no program can check, or should."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from payctl.acceptance import alarms, deploying, destroying, failover, operating, paying
from payctl.acceptance.check import Check, Group, Stage
from stacksets.errors import ToolError

CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted(
        (
            *deploying.CHECKS,
            *paying.CHECKS,
            *alarms.CHECKS,
            *failover.CHECKS,
            *operating.CHECKS,
            *destroying.CHECKS,
        ),
        key=lambda check: check.stage,
    )
)


def chosen(only: Collection[str], skip: Collection[str]) -> tuple[Check, ...]:
    """The checks of groups or ids. What makes the environment, and ends it, is always among them. Raises ToolError for
    a name that is neither."""
    known = {*Group, *(check.id for check in CHECKS)}
    if unknown := sorted({*only, *skip} - known):
        raise ToolError(
            f"{unknown[0]} is neither a check nor a group",
            remedy=f"groups are {', '.join(Group)}; see docs/unverified.md",
        )

    def wanted(check: Check) -> bool:
        named = {check.id, check.group.value}
        return (not only or bool(named & {*only})) and not named & {*skip}

    return tuple(check for check in CHECKS if wanted(check) or check.stage in (Stage.DEPLOYED, Stage.REMOVED))


@dataclass(frozen=True, kw_only=True)
class Note:
    """A claim without a check: `why` no program checks it, `by_hand` how a person does."""

    id: str
    group: Group
    claim: str
    why: str
    by_hand: str


NOTES: Final = (
    Note(
        id="trust-without-account",
        group=Group.DEPLOY,
        claim="The trust of the replication role and of the function roles names the service only: neither "
        "service documents that it sends aws:SourceAccount when it assumes a role.",
        why="a trust that turns out too narrow shows only when the sessions in use have expired, hours later",
        by_hand="add the condition in a test environment, and pay for a day",
    ),
    Note(
        id="passed-to-service-s3",
        group=Group.DEPLOY,
        claim="S3 is not known to send iam:PassedToService with PutBucketReplication, so the replication "
        "role, which trusts S3 alone, is passed to S3 or without that condition.",
        why="PassRole leaves no event in CloudTrail, and trying it changes the execution role of every "
        "environment of the account",
        by_hand="make the condition one that must be there in the execution role of a test account, and deploy there",
    ),
    Note(
        id="boundary-first",
        group=Group.DEPLOY,
        claim="CloudFormation makes a role with its boundary in one call, and changes policies of a role that has the "
        "boundary in any order; roles from before it get theirs from `payctl bootstrap`.",
        why="first-deployment shows the first half; the other takes an environment of a version without the boundary",
        by_hand="deploy the version before, run this version's `payctl bootstrap`, deploy, and look at the roles",
    ),
    Note(
        id="custom-resource-rights",
        group=Group.DEPLOY,
        claim="CloudFormation calls the function of a custom resource with the rights of the execution role. A "
        "rollback of an update sends the earlier properties while the stack's status says ROLLBACK, and one that is "
        "retained is never asked to delete.",
        why="the first half is shown by first-deployment; the rest takes a release that is broken on purpose",
        by_hand="in a test environment, deploy code whose handler raises: the first Region must end as "
        "UPDATE_ROLLBACK_COMPLETE within minutes, with the answer as its reason, and no other Region begin",
    ),
    Note(
        id="tags-of-others",
        group=Group.DEPLOY,
        claim="A key that exists, an API and a domain name cannot be given the environment's tag by the execution "
        "role: KMS names the key, API Gateway asks for PATCH on what is tagged. Neither refuses what is being made, "
        "which first-deployment shows.",
        why="it takes a session of the execution role, which trusts the administration role alone",
        by_hand="give a role the policies of payment-stackset-execution in a test account, and try "
        "`aws kms tag-resource`, `aws apigateway tag-resource` and `untag-resource` on what is not tagged",
    ),
    Note(
        id="key-rights-of-table-users",
        group=Group.PAY,
        claim="Who only reads and writes items of a table needs all of the key rights that DynamoDB's guide lists for "
        "whoever uses a table: the roles hold each of them.",
        why="a right too many refuses nothing, so only the log of calls can tell",
        by_hand="CloudTrail's KMS events by dynamodb.amazonaws.com, with the roles as callers",
    ),
    Note(
        id="validated-before-made",
        group=Group.DEPLOY,
        claim="Where a name is taken, the stack of an instance fails before anything of it is made, or is rolled back: "
        "`payctl deploy` shows the reason either way. `failed-creation` assumes the second: only that makes its key.",
        why="that a stack is validated first is said of CreateStack, not of StackSets",
        by_hand="`payctl accept --only failed-creation`, then whether the events that it shows tell of a key",
    ),
    Note(
        id="receipts-of-merchants",
        group=Group.PAY,
        claim="S3 takes the receipt of a merchant's payment, whose key has a colon, signed and sent as %3A.",
        why="the environment that is made for the checks has no merchants; S3's published example of a signature has $",
        by_hand="with `[merchants]` set, `payctl pay --amount 1 --merchant NAME`, then `payctl payments show ID "
        "--merchant NAME`: it shows a receipt in each Region",
    ),
    Note(
        id="names-and-addresses",
        group=Group.PAY,
        claim="Names of AWS and of the processor are resolved in milliseconds. A connection has one second for all "
        "addresses of a name, the processor's two; looking the name up has no limit of its own.",
        why="the resolver of a function has no setting, and answers slowly only when it is ill",
        by_hand="the functions' durations in X-Ray while Route 53's resolver is reported to be impaired",
    ),
    Note(
        id="running-code",
        group=Group.PAY,
        claim="An update of a function's code or settings does not end what runs: it answers by the earlier code.",
        why="no page says so; what does not hold costs a client an answer, and the payment is finished by a janitor",
        by_hand="`payctl pay --rate 20 --for 60s` while `payctl deploy` brings a new release: no answer is missing",
    ),
    Note(
        id="stream-of-a-replica",
        group=Group.PAY,
        claim="Lambda reads the stream of a replica under a customer key with the key rights that the outcome "
        "function's role has through DynamoDB, shows there what other Regions wrote, and takes ListStreams without a "
        "resource. A replica that is made anew may show all its records in its new stream: subscribers deduplicate.",
        why="the guides name the actions on a stream, not those on its key, nor what filling a replica shows",
        by_hand="deploy, pay in one Region, and look at `EventCount` of "
        "`aws events describe-archive --archive-name payment-outcomes-REGION-ENV` in all three, which lags by minutes; "
        "then at "
        "`aws lambda list-event-source-mappings` in each: LastProcessingResult must be OK",
    ),
    Note(
        id="archive-under-key",
        group=Group.PAY,
        claim="An archive under the Region's key takes the outcome events and replays them to one rule: the key's "
        "policy admits EventBridge with Decrypt and GenerateDataKey in any context, and ReEncrypt in the bus's.",
        why="read, not seen",
        by_hand="pay, wait ten minutes, start a replay of that time to a rule of yours, and see that it ends COMPLETED "
        "with the event delivered",
    ),
    Note(
        id="stripe-itself",
        group=Group.PAY,
        claim="Stripe answers as its documentation says; the tests ask localstripe, which keeps no keys. "
        "A PaymentIntent that was cancelled keeps its latest_charge or last_payment_error; a key is kept for 24 hours; "
        "a list by creation time shows at once what was created.",
        why="it takes an account at Stripe",
        by_hand="run `payctl processor-check` with a key of the test mode, again a day later, and cancel a declined "
        "PaymentIntent: its payment must still look declined",
    ),
    Note(
        id="stripe-kept-answers",
        group=Group.PAY,
        claim="Stripe says of an answer that it kept under a key, also of a 500, that it is one "
        "(`Idempotent-Replayed: true`).",
        why="no failure at Stripe can be had on demand",
        by_hand="create a PaymentIntent twice under a key with a secret of the test mode, and look at the second "
        "answer's headers",
    ),
    Note(
        id="merchants-policy",
        group=Group.PAY,
        claim="Once there are merchants, the API denies every other principal, those of its own account included, by "
        "`aws:PrincipalArn` and `aws:PrincipalAccount`; the ARN of a role with a path has the path.",
        why="it takes roles of two accounts, which a throwaway environment has not",
        by_hand="deploy with two merchants, and pay as each, as an administrator, and from another account",
    ),
    Note(
        id="key-of-variables",
        group=Group.PAY,
        claim="A function's variables are decrypted by a grant for its role, or by the role's own kms:Decrypt through "
        "Lambda, which the roles hold.",
        why="both are there, and a call that succeeds does not tell which served",
        by_hand="CloudTrail's Decrypt events by lambda.amazonaws.com",
    ),
    Note(
        id="clock-of-frozen-functions",
        group=Group.PAY,
        claim="Of a function that was frozen, time.time, time.monotonic or the event (requestTimeEpoch of API Gateway, "
        "time of EventBridge) says for how long once it is called again: what a register said is trusted for a minute "
        "by whichever of them went further (`payments/clock.py`).",
        why="it takes two calls, half an hour apart, that meet the same environment, and a build that logs all three",
        by_hand="log them at the begin of each call, and compare them",
    ),
    Note(
        id="lost-region-remade",
        group=Group.FAILOVER,
        claim="A Region that was lost for good is made anew: its replica is dropped and made again with the new key, "
        "in two updates of the global stack. A replica whose key was gone for 20 hours has left the table by itself; "
        "CloudFormation may then not find what it is to drop.",
        why="it takes the Region's register, and half an hour of rejoining",
        by_hand="docs/runbooks/lose-region.md in a test environment, at once and a day later",
    ),
    Note(
        id="restored-records",
        group=Group.FAILOVER,
        claim="A replica of the public record is restored to a moment as a table of its own, in its Region, and what "
        "is put back from there into one replica reaches the others.",
        why="DynamoDB reaches no moment of the last five minutes, and a restore takes long",
        by_hand="docs/runbooks/restore-point-in-time.md in a test environment",
    ),
    Note(
        id="rotation-on-demand",
        group=Group.FAILOVER,
        claim="A Region's key and the key of code and templates rotate on demand, as their policies allow the "
        "account's administrators, and nothing that uses them notices.",
        why="a key can be rotated 25 times in its life, and acceptance uses none of them up",
        by_hand="docs/runbooks/rotate.md in a test environment",
    ),
    Note(
        id="hand-over-under-keys",
        group=Group.FAILOVER,
        claim="A payment event passes from one Region's bus to another's, each under its Region's key, and starts the "
        "workflow there.",
        why="no check makes a payment that its Region cannot settle: on AWS nothing is broken on purpose",
        by_hand="`aws events put-events` one `Payment Transaction` whose detail has another Region as `next`, then "
        "look for the execution of that id's workflow there",
    ),
    Note(
        id="drill-with-600-receipts",
        group=Group.FAILOVER,
        claim="A receipt's ETag differs by Region where each encrypts with its own key, so a drill on AWS "
        "compares the bodies of all receipts.",
        why="it is a matter of time only: the evidence of region-loss tells how long the drill took",
        by_hand="the time that the drill's last phase takes with 600 payments",
    ),
    Note(
        id="bad-release-stops",
        group=Group.OPERATE,
        claim="Alarms are evaluated often enough to stop a rollout of code that fails: it shows after one "
        "or two periods of an alarm, and a Region's update lasts that long.",
        why="it takes a release that fails; alarm-stops-update sets the alarm off itself",
        by_hand="deploy code that fails to a test environment, and watch the operation stop",
    ),
    Note(
        id="session-expires-in-rejoin",
        group=Group.OPERATE,
        claim="`payctl rejoin` fetches the operator's keys anew before each call, so that a session which is renewed "
        "does not end it; one that expires does, and the repeated command goes on.",
        why="it takes a session of 15 minutes and a register with more payments than that",
        by_hand="run `payctl rejoin REGION` with such a session",
    ),
    Note(
        id="ruling-names-the-person",
        group=Group.OPERATE,
        claim="The ARN in a ruling is the caller's own (sts get-caller-identity): for an assumed role that "
        "of the session, with its name.",
        why="whether the session's name is the person's depends on who signs in, and how",
        by_hand="`payctl resolve` as a user of IAM Identity Center, then look at `by` in the ruling that "
        "`payctl payments show ID` prints",
    ),
    Note(
        id="rejoin-speed",
        group=Group.OPERATE,
        claim="`payctl rejoin` copies 2,800 payments a second or more, and a new table takes them: a copy is one write "
        "unit, and its first throughput 4,000 a second.",
        why="a rejoin begins 16 minutes after its bar, and needs a register with many payments",
        by_hand="the progress line of its first minute gives the rate",
    ),
    Note(
        id="delete-markers-go",
        group=Group.OPERATE,
        claim="A lifecycle rule with ExpiredObjectDeleteMarker beside NoncurrentVersionExpiration removes, in the "
        "artifact bucket, first the old versions of what was deleted and then its delete marker.",
        why="S3 does so a month after the deletion",
        by_hand="`aws s3api list-object-versions` on an artifact bucket, a month after a rollout: no DeleteMarkers of "
        "then",
    ),
    Note(
        id="cold-start",
        group=Group.PAY,
        claim="A cold start at 3,072 MB on arm64 takes less than 200 ms: the functions load nothing but the standard "
        "library.",
        why="Lambda tells it in a line that is not kept of calls that succeed",
        by_hand="the subsegment Initialization in X-Ray's traces of a processor, after a deployment",
    ),
    Note(
        id="own-lines-arrive",
        group=Group.OPERATE,
        claim="With LogFormat JSON and SystemLogLevel WARN a function's own lines, which are JSON already, arrive as "
        "they were written, metrics in them count, and of Lambda's own only those of calls that failed.",
        why="only Lambda writes those lines",
        by_hand="an hour after a deployment: the log group of a janitor has its lines and no `platform.report`, and "
        "the alarm `janitor-silent` is OK",
    ),
    Note(
        id="units-change-in-place",
        group=Group.OPERATE,
        claim="Setting `limits.register_writes`, and setting it back to 0, updates the register table and its index in "
        "place, without an interruption.",
        why="CloudFormation says so; an environment that is accepted has it as it was set",
        by_hand="`payctl deploy` with 10, then with 0, under `payctl pay --rate 1`: no answer is worse than 503",
    ),
    Note(
        id="actions-by-commit",
        group=Group.OPERATE,
        claim="The commits that pin the actions of `.github/workflows/` are those of the releases named beside them. "
        "They were read in copies of the repositories from summer 2026, not on GitHub.",
        why="it is GitHub's to say",
        by_hand="`git ls-remote https://github.com/actions/checkout 'refs/tags/v6*'`, and so for the others",
    ),
    Note(
        id="vulnerabilities",
        group=Group.OPERATE,
        claim="`make vulnerabilities` finds nothing: no version in `requirements/*.txt` has a known vulnerability.",
        why="it asks PyPI's advisories, and the tests run without a network: the workflow supply.yml does it",
        by_hand="`make vulnerabilities`",
    ),
    Note(
        id="oidc-subject",
        group=Group.OPERATE,
        claim="The `sub` of GitHub's OIDC token is `repo:OWNER/NAME:environment:ENVIRONMENT`; for "
        "repositories made since July 2026 it carries numeric ids (`repo:OWNER@ID/NAME@ID:...`).",
        why="only a run on GitHub has such a token: the workflow accept.yml is one",
        by_hand="the claims that `configure-aws-credentials` prints when it is refused; write the trust "
        "policy accordingly",
    ),
    Note(
        id="long-sessions",
        group=Group.OPERATE,
        claim="`role-duration-seconds` of deploy (10800) and accept (18000) need a role whose maximum session is as "
        "long: three and five hours.",
        why="it is the role that the workflow is given",
        by_hand="the credentials step of the jobs deploy and accept",
    ),
    Note(
        id="prices",
        group=Group.OPERATE,
        claim="The prices of `payctl/costs/prices.json` are AWS's of today, and `payctl estimate --refresh` finds each "
        "item by its usage type. They come from dated copies of the price list; some are missing.",
        why="the price list was not reachable, and the local cloud sells nothing",
        by_hand="`payctl estimate --refresh --prices build/prices.json`, and read what was not found",
    ),
    Note(
        id="bill",
        group=Group.OPERATE,
        claim="A payment is billed what the local cloud counts, and takes as long as with 70, 90 and 200 ms between "
        "the Regions and 5 ms within one. Between eu-west-1 and ap-southeast-1 it may well be twice the 90.",
        why="only a bill says so",
        by_hand="make 10,000 payments in an account that does nothing else, and compare Cost Explorer by usage type, "
        "and the functions' metric Duration, with `payctl estimate --json`",
    ),
    Note(
        id="janitor-rate",
        group=Group.OPERATE,
        claim="A run of the janitor with a whole processor of Lambda (1769 MB, arm64) puts at least 500 cells a second "
        "to rest, and the five that the settings allow 667. Lambda's detection of loops leaves a run alone that calls "
        "its own function, one level deep.",
        why="it takes a thousand payments a second for some minutes, which cost about 60 USD for a million",
        by_hand="put that load on a test environment for ten minutes; the chart of cells left over must stay at 0",
    ),
    Note(
        id="hot-index-key",
        group=Group.ALARMS,
        claim="Where a key of an index is throttled, DynamoDB refuses the write of the table as a whole and counts it "
        "in WriteThrottleEvents, by table or by table and GlobalSecondaryIndexName.",
        why="it takes more than a thousand writes a second on one key, and on-demand tables may split meanwhile",
        by_hand="update items of one Timestamp from several machines, and look at both metrics and the alarm",
    ),
    Note(
        id="replication-latency",
        group=Group.ALARMS,
        claim="DynamoDB publishes ReplicationLatency for each five minutes with writes, at most ten minutes later, and "
        "an alarm on it that fills what is missing with 0 goes off again when nothing is written.",
        why="the alarm needs a Region that lags, and CloudWatch's pages differ on missing data of DynamoDB",
        by_hand="pay for an hour in a test environment, and look at the metric by periods of 60 s: a value every five "
        "minutes. Set the threshold of the alarm table-replication to 1 ms by `aws cloudwatch put-metric-alarm`: it "
        "goes on while you pay, and off within half an hour after the last payment",
    ),
    Note(
        id="stripe-report",
        group=Group.OPERATE,
        claim="Stripe's itemized balance report has the columns that payctl reconcile reads, amounts in major units, "
        "and `charge` as the reporting category of card payments.",
        why="the report of a day is made after it has ended, and its download is a matter of the Dashboard",
        by_hand='docs/operations.md, "The processor\'s own file", with the report of a test account',
    ),
    Note(
        id="bus-with-rules",
        group=Group.DESTROY,
        claim="EventBridge deletes no bus that has a rule, in these words: EventBus can't be deleted since it has "
        "rules.",
        why="the reference says that rules must go first; the words are what others were told",
        by_hand="put a rule on `payment-events-REGION-ENV` of a test environment: `payctl destroy` must name it; then "
        "`aws events delete-event-bus` on that bus",
    ),
    Note(
        id="protected-replica",
        group=Group.OPERATE,
        claim="A replica that is protected from deletion is not dropped through the global stack; with its protection "
        "taken off in its own Region it is, and CloudFormation protects its successor.",
        why="the documentation says that nobody deletes it; the order was not seen",
        by_hand="in a test environment with `options.protect = true` delete a Region's stack but for its register, "
        "then `payctl deploy --recreate REGION`",
    ),
    Note(
        id="tags-of-health-checks",
        group=Group.FAILOVER,
        claim="The tags of a stack count among the ten that a health check of Route 53 has at most.",
        why="that the type is taggable is in its schema; that CloudFormation hands all of them on was not seen",
        by_hand="deploy with a domain and four tags of your own, and look at the health checks with "
        "`aws route53 list-tags-for-resource`",
    ),
)
