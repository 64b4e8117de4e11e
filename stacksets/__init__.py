"""Any CloudFormation template to any Regions by one StackSet operation, with progress and the root cause by Region.

It knows StackSets, and nothing of the tool on top of it: what that tells its operator is handed in as an
`errors.Advice`. With a template, an account and the two roles of self-managed StackSets::

    import boto3
    from stacksets import client, model, operation, progress, stack

    def api(region):
        return boto3.client("cloudformation", region_name=region)

    roles = {"administration_role_arn": administration, "execution_role_name": execution}
    shop = client.StackSetClient(api("us-east-1"), "shop")
    shop.create(model.Definition(body=template), **roles)
    with progress.reporter() as report:
        run = operation.Runner(client=shop, stacks=lambda region: stack.Stacks(api(region), region), report=report).run
        run("create", lambda token: shop.create_instances(account, regions, token=token))
        change = model.Definition(body=template, parameters={"Days": "3"})
        run("update", lambda token: shop.update(change, token=token, order=regions, **roles))

A run waits for operations that run already, shows one line a Region, and ends in success or in a RegionsFailedError
with a Cause for each Region that failed.
"""
