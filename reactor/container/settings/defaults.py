"""Defaults: the attributes of a container that are the defaults of its calls, and of its turns.

The container derives from them, and `settings/` reads them where a call gives nothing. They are attributes and nothing
else: the calls are the container's.
"""

from __future__ import annotations

from reactor.container.settings.connect import CONNECT_TIMEOUT, OPEN_TIMEOUT, WRITE_TIMEOUT
from reactor.container.settings.ssl_config import SSLConfig
from reactor.engine.limits import USUAL
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable, Optional

    from reactor.codec.types import AnyValue
    from reactor.container.settings.keywords import Mechanisms


class Defaults:
    """The attributes of a container that an application may set. Times are in seconds.

    user, password, allowed_mechs, allow_insecure_mechs, sasl_enabled: of these keywords of `connect`.
    ssl: `ssl.client` and `ssl.server` are the SSLDomain of connections with TLS in the one and the other direction.
    connect_timeout (15), open_timeout (30), write_timeout (60), limits (`Limits()`): of `connect` and `listen`.
    attach_timeout, send_timeout, close_timeout: of links and connections; None (default) for no limit.
    timeout: bounds how long one `process()` waits; None (default) for as long as nothing happens.
    rescue: for servers, which go on whatever one peer brings about: called with an exception that would leave `run()`,
        and with the event that the handler was called for (None where it was none: bytes were read or written, and
        their connection has been closed with amqp:internal-error). It ends the endpoint that the event is about, and
        returns whether the container goes on; else the exception leaves `run()`. None (default): each one does.
    """

    def __init__(self) -> None:
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        self.sasl_enabled = True
        self.allowed_mechs: Mechanisms = None
        self.allow_insecure_mechs: Optional[bool] = None
        self.ssl = SSLConfig()
        self.connect_timeout: Optional[float] = CONNECT_TIMEOUT
        self.open_timeout: Optional[float] = OPEN_TIMEOUT
        self.write_timeout: Optional[float] = WRITE_TIMEOUT
        self.limits = USUAL
        self.attach_timeout: Optional[float] = None
        self.send_timeout: Optional[float] = None
        self.close_timeout: Optional[float] = None
        self.timeout: Optional[float] = None
        self.rescue: Optional[Callable[[Exception, AnyValue], bool]] = None
