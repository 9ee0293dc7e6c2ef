"""What a policy scanner (checkov) finds in each stage's template, and why it is so."""

import json
import subprocess
from pathlib import Path

from tests.integration.template.compiled import Compiled
from tests.own_environment import tool

REQUIREMENT = "checkov==3.3.30"  # it needs other versions of boto3 and pydantic than the functions have
SCAN_SECONDS = 240

EXCEPTIONS = {
    "CKV_AWS_18": "The deployment bucket is read by CloudFormation alone, and what is in it anybody can build.",
    "CKV_AWS_21": "Each deployment has a folder of its own in that bucket, so nothing is overwritten.",
    "CKV_AWS_26": "An alert names a metric, nothing of a customer's; a key that CloudWatch may use is 1 USD a month.",
    "CKV_AWS_27": "The queue is encrypted with SQS's own key (SqsManagedSseEnabled), which this check does not know.",
    "CKV_AWS_115": "Reserved concurrency takes it from the others: a new account has ten in all, and may reserve none.",
    "CKV_AWS_116": "It is for asynchronous calls: RecoverOrders', and what one run misses, the next one does.",
    "CKV_AWS_117": "DynamoDB, SQS and X-Ray are protected by IAM. A VPC protects no more, and costs its endpoints.",
    "CKV_AWS_119": "The table is encrypted with DynamoDB's own key; one of KMS is 1 USD a month, and its calls.",
    "CKV_AWS_158": "Logs are encrypted with CloudWatch's own key, and hold neither bodies nor personal data.",
    "CKV_AWS_173": "The environment is encrypted with Lambda's own key, and holds names and numbers, no secret.",
}
IN_DEV_ALONE = {"CKV_AWS_28": "Point-in-time recovery is for prod; the orders of dev go with its stack."}


def test_the_scanner_finds_what_is_so_on_purpose_and_nothing_else(stages: dict[str, Compiled], tmp_path: Path) -> None:
    templates = {stage: str(compiled.template) for stage, compiled in stages.items()}
    options = ["--framework", "cloudformation", "--output", "json", "--soft-fail", "--skip-download"]

    scan = subprocess.run(
        [tool(REQUIREMENT), "--file", *templates.values(), *options],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},  # a configuration of the user's would change it
        capture_output=True,
        text=True,
        timeout=SCAN_SECONDS,
        check=False,
    )

    assert scan.returncode == 0, scan.stdout + scan.stderr
    report = json.loads(scan.stdout)
    assert report["summary"]["parsing_errors"] == 0
    found: dict[str, set[str]] = {template: set() for template in templates.values()}
    for check in report["results"]["failed_checks"]:
        found[check["file_abs_path"]].add(check["check_id"])
    assert found[templates["prod"]] == EXCEPTIONS.keys()
    assert found[templates["dev"]] == EXCEPTIONS.keys() | IN_DEV_ALONE.keys()
