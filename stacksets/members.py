"""Which registers are in use: a new environment's are enrolled, one that was lost, restored or swapped must rejoin."""

from botocore.exceptions import ClientError

from stacksets.data import GONE, holds_payments
from stacksets.environment import Environment
from stacksets.errors import code_of
from stacksets.registers import REGISTER, Registers, plain

MISSING = "its table is missing"


def idle(environment: Environment) -> dict[str, str]:
    """Why nobody asks the register of a Region; Regions whose register is in use are left out. Read only."""
    reasons = environment.cloud.everywhere(lambda region: reason(environment, region))
    return {region: reason for region, reason in reasons.items() if reason}


def enrol_new(environment: Environment) -> dict[str, str]:
    """Have the registers of a new environment used. Returns what is idle afterwards.

    New is an environment without any payment: whatever an emptied register may have promised meanwhile, no peer has
    heard of it, and the function that asked has ended since the table was made. Raises PayctlError.
    """
    found, cloud, table = idle(environment), environment.cloud, environment.names.register
    if not found or MISSING in found.values():
        return found
    if any(cloud.everywhere(lambda region: holds_payments(cloud, region, table(region))).values()):
        return found
    registers = Registers(environment)
    for region in found:
        registers.enrol(region)
    return idle(environment)


def remedy(region: str) -> str:
    """What to do about an idle register."""
    return f"`payctl rejoin {region}`"


def reason(environment: Environment, region: str) -> str:
    """Why nobody asks a Region's register, "" where it is in use. Read only."""
    dynamodb, table = environment.cloud.dynamodb(region), environment.names.register(region)
    try:
        made = dynamodb.describe_table(TableName=table)["Table"]["TableId"]
    except ClientError as error:
        if code_of(error) in GONE:
            return MISSING
        raise
    answer = dynamodb.get_item(TableName=table, Key={"TransactionId": {"S": REGISTER}}, ConsistentRead=True)
    about = plain(answer.get("Item", {}))
    if about.get("serves", region) != region:
        return f"it holds the cells of {about['serves']}"
    if "table_id" in about and about["table_id"] != made:
        return "it was restored from a backup"
    return "" if "serves" in about else "it was made anew, or emptied"
