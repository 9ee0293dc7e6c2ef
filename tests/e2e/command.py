"""The commands for operators, called in this process: to start Python takes a second each time."""

from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    stdout: str
    stderr: str


def run(main: Callable[[Sequence[str]], int], *arguments: object) -> Ended:
    """Run a command with these arguments."""
    with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
        code = main([str(argument) for argument in arguments])
    return Ended(code, stdout.getvalue(), stderr.getvalue())
