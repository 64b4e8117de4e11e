"""Names, ARNs and tags as intrinsic functions, for the resources of a template."""

from troposphere import FindInMap, Ref, Sub, Tags

from builder.names import FIXED_TAGS

# The two other Regions, in the order in which they take over; columns of the mapping `Peers`.
PEERS = ("First", "Second")


def peer(which: str) -> FindInMap:
    """The name of one of the two other Regions: `which` is "First" (the standby) or "Second"."""
    return FindInMap("Peers", Ref("AWS::Region"), which)


def named(pattern: str) -> Sub:
    """A name in the stack's own Region."""
    return Sub(pattern)


def named_in(pattern: str, which: str) -> Sub:
    """The name that `pattern` has in one of the two other Regions."""
    return Sub(pattern.replace("${AWS::Region}", "${Peer}"), Peer=peer(which))


def arn(service: str, resource: str) -> Sub:
    """The ARN of a resource of this account in the stack's own Region."""
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")


def arn_in(service: str, resource: str, which: str) -> Sub:
    """The ARN of a resource of this account in one of the two other Regions."""
    return named_in(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}", which)


def bucket_arn(pattern: str, objects: str = "") -> Sub:
    """The ARN of a bucket in the stack's own Region, or of `objects` in it ("/receipts/*")."""
    return Sub(f"arn:${{AWS::Partition}}:s3:::{pattern}{objects}")


def tags(pattern: str, *, region: str | Ref = Ref("AWS::Region")) -> Tags:  # noqa: B008  # a Ref is a constant
    """The tags every resource carries (docs/design.md, "Tags"), with `pattern` as its Name."""
    return Tags(**FIXED_TAGS, Environment=Ref("EnvironmentSuffix"), Name=Sub(pattern), Region=region)
