"""Which registers are in use: a new environment's are enrolled, one that was lost, restored or swapped must rejoin."""

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import failure
from payctl.environment import Environment
from payctl.environments.contents import GONE, holds_payments
from payctl.payments.registers import REGISTER, Registers, plain
from stacksets.errors import code_of, silent

MISSING = "its table is missing"
BARRED = "it is barred"


def idle(environment: Environment) -> dict[str, str]:
    """Why nobody asks the register of a Region. Left out are Regions whose register is in use, and those that do not
    answer. Read only."""
    found = environment.cloud.everywhere(lambda region: _look(environment, region))
    barred = {lost for _, lost in found.values()}
    reasons = {region: reason or (BARRED if region in barred else "") for region, (reason, _) in found.items()}
    return {region: reason for region, reason in reasons.items() if reason}


def enrol_new(environment: Environment) -> dict[str, str]:
    """Have the registers of a new environment used. Returns what is idle afterwards.

    New is an environment without any payment: nothing was ever accepted in it, so there is nothing that a register may
    have forgotten. Raises ToolError.
    """
    found, cloud, names = idle(environment), environment.cloud, environment.names
    fresh = [region for region, reason in found.items() if reason != BARRED]
    if not fresh or MISSING in found.values() or holds_payments(cloud, environment.home, names.table):
        return found
    if any(cloud.everywhere(lambda region: holds_payments(cloud, region, names.register(region))).values()):
        return found
    cloud.everywhere(Registers(environment).enrol, fresh)
    return idle(environment)


def _look(environment: Environment, region: str) -> tuple[str, str]:
    """Why nobody should ask a Region's register, by itself ("" where that is fine), and the peer that it bars."""
    dynamodb, table = environment.cloud.dynamodb(region), environment.names.register(region)
    try:
        made = dynamodb.describe_table(TableName=table)["Table"]["TableId"]
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
    elif "table_id" in about and about["table_id"] != made:
        reason = "it was restored from a backup"
    else:
        reason = "" if "serves" in about else "it was made anew, or emptied"
    return reason, str(about.get("lost", ""))
