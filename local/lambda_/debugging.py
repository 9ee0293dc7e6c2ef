"""One function under a debugger: a single process, because a debugger does not follow a fork."""

import os
import socketserver
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from local.lambda_.instance import answer
from local.lambda_.launcher import ONE_EVENT

if TYPE_CHECKING:
    from local.lambda_.runtime import Runtime


def listen(function: Mapping[str, Any]) -> None:
    """Let an editor connect. Until it does, breakpoints are passed."""
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # its warning of Python's own frozen modules
    import debugpy  # noqa: PLC0415, T100  # it is what the person asked for, and takes long

    from shared import settlement  # noqa: PLC0415  # not before runtime.py could say what cannot be imported

    settlement.PROVIDER_TIMEOUT_SECONDS = function["timeout"]
    # The other adapter is a process that leaves our process group, and so would not end with us.
    debugpy.listen(("127.0.0.1", function["debug_port"]), in_process_debug_adapter=True)  # noqa: T100  # as above
    print(f"{function['key']} waits for your editor on 127.0.0.1:{function['debug_port']} (CONTRIBUTING.md).")


def refuse_breakpoints(key: str) -> None:
    """Let `breakpoint()` say what to do: pdb would wait for input that never comes."""

    def refuse(*_: object, **__: object) -> None:
        place = traceback.extract_stack()[-2]
        print(
            f"{Path(place.filename).name}:{place.lineno}: breakpoint() needs a debugger: `npm start -- --debug {key}`."
        )

    sys.breakpointhook = refuse


class OneInstance(socketserver.StreamRequestHandler):
    """The only instance: it takes one event of each connection, so that no launcher keeps it."""

    def handle(self) -> None:
        """Answer one event."""
        self.wfile.write(ONE_EVENT)
        if line := self.rfile.readline():
            self.wfile.write(answer(cast("Runtime", self.server), line))
