"""TLS: encryption of the wire, by the standard library's ssl.

Its certificates, and the reasons why it fails, are imported with the first connection that has it.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.engine.tls.causes import explain as explain
    from reactor.engine.tls.causes import explain_hangup as explain_hangup
    from reactor.engine.tls.causes import explain_opening as explain_opening
    from reactor.engine.tls.causes import failed as failed
    from reactor.engine.tls.certificate import Certificate as Certificate
else:
    __getattr__ = members(
        __name__,
        explain="reactor.engine.tls.causes",
        explain_hangup="reactor.engine.tls.causes",
        explain_opening="reactor.engine.tls.causes",
        failed="reactor.engine.tls.causes",
        Certificate="reactor.engine.tls.certificate",
    )
