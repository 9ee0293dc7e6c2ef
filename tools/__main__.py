"""Starts `npm run smoke` and `npm run trace`.

Unless they name a stage they ask the local run, which needs no variable of AWS's SDKs. A wrong one (`AWS_PROFILE`)
would stop what they import: the X-Ray SDK makes a client of AWS while it is imported.
"""

import argparse
import os
import runpy
import sys

from tools.command import add_stage, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    add_stage(parser, help="")
    options, _ = parser.parse_known_args(sys.argv[2:])
    if not options.stage:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    module = sys.argv.pop(1)
    sys.exit(run(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)))
