"""The environment variables of the local run. With them no process can reach AWS."""

import os

from tools.local_run import XRAY_PORT

LAMBDA_PORT, DYNAMODB_PORT = 3002, 8000
DEBUG_PORT = 5678  # the one that editors propose

# All that the local service needs of the caller's environment. Any other variable could change what AWS's SDKs,
# Powertools, Python, Node or Java do.
NEEDED = ("PATH", "HOME", "TMPDIR", "TZ")


def environment(dynamodb_port: int = DYNAMODB_PORT, xray_port: int = XRAY_PORT) -> dict[str, str]:
    """Return what the local service runs in: DynamoDB Local and the local X-Ray as AWS, and dummy credentials.

    AWS_ENDPOINT_URL is the endpoint of every service that has none of its own:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    return {name: os.environ[name] for name in NEEDED if name in os.environ} | {
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
        "LOCAL_RUN": str(os.getpid()),  # lets resources/local-only.js know the processes that we start
        "NO_PROXY": "127.0.0.1",  # on macOS the system's settings may name a proxy, too
        "no_proxy": "127.0.0.1",
        "LC_ALL": "C.UTF-8",  # without a UTF-8 locale Java finds no file whose path has an accent
        "PYTHONUTF8": "1",
        "NODE_NO_WARNINGS": "1",
        "SLS_INTERACTIVE_SETUP_ENABLE": "0",
    }


def packaging_environment(dynamodb_port: int = DYNAMODB_PORT) -> dict[str, str]:
    """Return the same with the caller's variables, except AWS's: pip needs its index, proxy and certificates."""
    callers = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return environment(dynamodb_port) | callers
