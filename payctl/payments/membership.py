"""Which registers are in use: a new environment's are enrolled; one that was lost, restored or swapped must rejoin."""

from collections import Counter

from botocore.exceptions import BotoCoreError, ClientError
from payments.attributes import plain
from payments.protocol.ports import REGISTER

from payctl.advice import failure
from payctl.environment import Environment
from payctl.payments.registers import Registers
from payctl.payments.tables import GONE, holds_payments
from stacksets.errors import code_of, silent

MISSING = "its table is missing"
BARRED = "it is barred"
STRAY = "it is barred by one Region only: `payctl rejoin REGION --withdraw`, or the whole `payctl rejoin REGION`"


def idle(environment: Environment) -> dict[str, str]:
    """By Region whose register nobody asks: why not. Regions that do not answer are left out. Read only."""
    states = environment.cloud.everywhere(lambda region: _look(environment, region))
    bars = Counter(lost for _, lost in states.values())
    whole = len(environment.regions) - 1

    def barred(region: str) -> str:
        if not bars[region]:
            return ""
        return BARRED if bars[region] == whole or len(states) <= whole else STRAY

    reasons = {region: reason or barred(region) for region, (reason, _) in states.items()}
    return {region: reason for region, reason in reasons.items() if reason}


def enrol_new(environment: Environment) -> dict[str, str]:
    """Put the registers of a new environment into use. Returns what is idle afterwards. Raises ToolError.

    New is an environment without any payment: nothing was ever accepted in it, so a register cannot have forgotten it.
    """
    reasons, cloud, names = idle(environment), environment.cloud, environment.names
    fresh = [region for region, reason in reasons.items() if reason not in (BARRED, STRAY)]
    if not fresh or MISSING in reasons.values() or holds_payments(cloud, environment.home, names.table):
        return reasons
    if any(cloud.everywhere(lambda region: holds_payments(cloud, region, names.register(region))).values()):
        return reasons
    cloud.everywhere(Registers(environment).enrol, fresh)
    return idle(environment)


def _look(environment: Environment, region: str) -> tuple[str, str]:
    """Why a Region's register should not be asked, by its own item ("" where it may be), and the peer that it bars."""
    dynamodb, table = environment.cloud.dynamodb(region), environment.names.register(region)
    try:
        table_id = dynamodb.describe_table(TableName=table)["Table"]["TableId"]
        answer = dynamodb.get_item(TableName=table, Key={"TransactionId": {"S": REGISTER}}, ConsistentRead=True)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) in GONE:
            return MISSING, ""
        if silent(error):
            return "", ""
        raise failure("read", f"table {table} in {region}", error) from error
    about = plain(answer.get("Item", {}))
    if about.get("serves", region) != region:
        reason = f"it holds the cells of {about['serves']}"
    elif "table_id" in about and about["table_id"] != table_id:
        reason = "it was restored from a backup"
    else:
        reason = "" if "serves" in about else "it was recreated or emptied"
    return reason, str(about.get("lost", ""))
