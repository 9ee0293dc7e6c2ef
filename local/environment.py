"""The environment variables of the local run. With them no process can reach AWS."""

import os

from tools.local_run import XRAY_PORT

PAGE_PORT, LAMBDA_PORT, DYNAMODB_PORT = 3001, 3002, 8000


def environment(dynamodb_port: int = DYNAMODB_PORT, xray_port: int = XRAY_PORT) -> dict[str, str]:
    """Return our environment, with DynamoDB Local and the local X-Ray as AWS, and with dummy credentials.

    AWS_ENDPOINT_URL is the endpoint of every service that has none of its own:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POWERTOOLS_"))}
    return own | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{dynamodb_port}",
        "AWS_ENDPOINT_URL_XRAY": f"http://127.0.0.1:{xray_port}",
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{xray_port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LOCAL_DYNAMODB_PORT": str(dynamodb_port),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "NODE_NO_WARNINGS": "1",
        "SLS_INTERACTIVE_SETUP_ENABLE": "0",
    }
