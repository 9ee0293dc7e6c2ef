"""A deployed stage: its API, its key and its table, as its CloudFormation stack names them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
from botocore.exceptions import ClientError

from tools.command import CommandFailed

# As serverless.yml has them.
SERVICE, REGION = "order-processor", "us-east-1"
LOG_DAYS = {"dev": 14, "prod": 90}
# The names that osls and resources/orders-table.yml give them in the stack.
URL_OUTPUT, KEY_RESOURCE, TABLE_RESOURCE = "ServiceEndpoint", "ApiGatewayApiKey1", "OrdersTable"


@dataclass(frozen=True)
class Stage:
    """A stage, read with the caller's own credentials. Its methods raise CommandFailed if it is not deployed."""

    name: str
    session: boto3.Session

    @classmethod
    def of(cls, name: str, region: str | None) -> "Stage":
        """Return the stage in the region of serverless.yml, unless another one is given."""
        return cls(name, boto3.Session(region_name=region or REGION))

    def api_url(self) -> str:
        """Return the address that clients call."""
        with self._or_not_deployed():
            (stack,) = self.session.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        return str(outputs[URL_OUTPUT])

    def api_key(self) -> str:
        """Return the API key that clients send."""
        key = self.session.client("apigateway").get_api_key(apiKey=self._resource(KEY_RESOURCE), includeValue=True)
        return str(key["value"])

    def orders_table(self) -> str:
        """Return the name of the orders table."""
        return self._resource(TABLE_RESOURCE)

    @property
    def stack(self) -> str:
        """Return the name of its stack, which is also how the names of its functions and of its table begin."""
        return f"{SERVICE}-{self.name}"

    @property
    def log_days(self) -> int:
        """Return how long its logs are kept."""
        return LOG_DAYS[self.name]

    def _resource(self, logical_id: str) -> str:
        client = self.session.client("cloudformation")
        with self._or_not_deployed():
            found = client.describe_stack_resource(StackName=self.stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    @contextmanager
    def _or_not_deployed(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            region = self.session.region_name
            reason = f"Stage {self.name} is not deployed in {region}: there is no stack {self.stack} with an API."
            raise CommandFailed(reason) from None
