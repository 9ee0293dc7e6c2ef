"""A deployed stage's API: its address and its key, as the stage's CloudFormation stack names them."""

from dataclasses import dataclass

import boto3
from botocore.exceptions import ClientError

from local import service
from tools.command import CommandFailed

# The names that osls gives them in the stack.
URL_OUTPUT, KEY_RESOURCE = "ServiceEndpoint", "ApiGatewayApiKey1"


@dataclass(frozen=True)
class DeployedApi:
    """How a client reaches a deployed stage."""

    url: str
    key: str
    region: str


def find_api(stage: str, region: str | None) -> DeployedApi:
    """Find a stage's API with the caller's own credentials.

    Raises
    ------
    CommandFailed
        The stage is not deployed in this region.
    """
    resolved = service.load(stage, region)
    region, stack = resolved["provider"]["region"], f"{resolved['service']}-{stage}"
    session = boto3.Session(region_name=region)
    cloudformation = session.client("cloudformation")
    try:
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        key = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=KEY_RESOURCE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise CommandFailed(
            f"Stage {stage} is not deployed in {region}: there is no stack {stack} with an API."
        ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    key_id = key["StackResourceDetail"]["PhysicalResourceId"]
    shown = session.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)
    return DeployedApi(outputs[URL_OUTPUT], shown["value"], region)
