"""Prints the API key of a deployed stage: `npm run key -- --stage dev`."""

import argparse
import sys
from collections.abc import Sequence

from tools.command import add_stage, run
from tools.stage import Stage


def main(arguments: Sequence[str]) -> int:
    """Print the key and nothing else, so that a shell can assign it."""
    parser = argparse.ArgumentParser(prog="npm run key --", description=__doc__)
    add_stage(parser, "the key of this stage (default: dev)")
    options = parser.parse_args(arguments)
    return run(lambda: print(Stage.of(options.stage or "dev", options.region).api_key()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
