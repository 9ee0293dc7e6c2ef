"""TCP ports of this machine: which are free."""

import socket


def is_free(port: int) -> bool:
    """Whether a server can listen on the port, on every address, as DynamoDB Local does."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError:
            return False
    with socket.socket() as client:  # macOS binds the wildcard address beside a server on 127.0.0.1
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
