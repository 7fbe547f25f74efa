"""The common part of real wires and simulated ones: for what they are watched, and why no address of a peer answered.

Apart from `interface`, which is for type checkers: this is needed at run time.
"""

from __future__ import annotations

READ = 1  #: there is something to read or to accept, or the wire has come to an end
WRITE = 2  #: there is room to write, or the attempt to connect has come to its end


class ConnectError(OSError):
    """No address of a peer answered. `str()` lists each address that was tried, and why it failed.

    host, port: as asked for.
    attempts: (address, error) of each address tried, in order; one pair without an address ("") when the
        name could not be looked up.
    """

    def __init__(self, host: str, port: int, attempts: list[tuple[str, OSError]]) -> None:
        super().__init__(host, port, attempts)
        self.host = host
        self.port = port
        self.attempts = attempts
        if attempts:
            self.errno = attempts[-1][1].errno

    @property
    def unresolved(self) -> bool:
        """Whether the name could not be looked up, so that no address was tried."""
        return not any(address for address, _ in self.attempts)

    def __str__(self) -> str:
        target = join_address(self.host, self.port)
        whys = [reason(error) for _, error in self.attempts]
        if self.unresolved:
            return f"cannot look up {self.host}: {'; '.join(whys) or 'it has no address'}"
        if [address for address, _ in self.attempts] == [target]:
            return f"cannot connect to {target}: {whys[0]}"
        tried = [f"{address}: {why}" for (address, _), why in zip(self.attempts, whys)]
        return f"cannot connect to {target}: {'; '.join(tried)}"


def reason(error: OSError) -> str:
    """The text of an OSError, without its number."""
    return error.strerror or str(error) or type(error).__name__


def join_address(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
