"""An editor's debugger: a client of the Debug Adapter Protocol, https://microsoft.github.io/debug-adapter-protocol/."""

import json
import socket
from pathlib import Path
from typing import Any, Self

LIMIT_SECONDS = 60


class Debugger:
    """Attached to a process that listens, with one breakpoint."""

    def __init__(self, port: int, file: Path, line: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS)
        self._stream = self._socket.makefile("rwb")
        self._number = 0
        self.ask("initialize", adapterID="test", pathFormat="path")
        self._send("attach", justMyCode=True)
        self._wait_for("initialized")
        breakpoints = self.ask("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": line}])
        assert breakpoints["breakpoints"][0]["verified"]
        self.ask("configurationDone")

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """Send a request and return the body of its response."""
        number = self._send(command, **arguments)
        while (message := self._receive()).get("request_seq") != number:
            pass
        assert message["success"], message
        return dict(message.get("body", {}))

    def wait_for_stop(self) -> dict[str, Any]:
        """Wait until the process stops at the breakpoint, and return the frame."""
        frames = self.ask("stackTrace", threadId=self._wait_for("stopped")["threadId"])["stackFrames"]
        return dict(frames[0])

    def _wait_for(self, event: str) -> dict[str, Any]:
        while (message := self._receive()).get("event") != event:
            pass
        return dict(message.get("body", {}))

    def _send(self, command: str, **arguments: object) -> int:
        self._number += 1
        request = {"type": "request", "seq": self._number, "command": command, "arguments": arguments}
        content = json.dumps(request).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self._stream.flush()
        return self._number

    def _receive(self) -> dict[str, Any]:
        length = int(self._stream.readline().partition(b":")[2])
        self._stream.readline()
        message: dict[str, Any] = json.loads(self._stream.read(length))
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Detach; the process goes on."""
        self.ask("disconnect", terminateDebuggee=False)
        self._stream.close()
        self._socket.close()
