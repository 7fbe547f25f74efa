"""HTTP proxies below everything else, for networks that let nothing out but through one [RFC 9110, 9.3.6].

It is imported with the first connection that goes through one.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.engine.proxy.layer import ProxyLayer as ProxyLayer
    from reactor.engine.proxy.tunnel import Tunnel as Tunnel
else:
    __getattr__ = members(__name__, ProxyLayer="reactor.engine.proxy.layer", Tunnel="reactor.engine.proxy.tunnel")
