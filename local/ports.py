"""Free ports of this machine, for TCP and UDP: X-Ray uses both on one port."""

import socket

KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


def is_free(port: int) -> bool:
    """Whether no other server listens on the port, on any address: DynamoDB Local listens on all of them.

    Raises
    ------
    PermissionError: only root may listen on it.
    """
    try:
        for kind in KINDS:
            with socket.socket(type=kind) as listener:
                if kind == socket.SOCK_STREAM:  # a connection that has just ended must not count
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("", port))
    except PermissionError:
        raise
    except OSError:
        return False
    with socket.socket() as client:  # macOS binds the wildcard address beside a server on 127.0.0.1
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """Return a free port."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port: int = listener.getsockname()[1]
        if is_free(port):
            return port
