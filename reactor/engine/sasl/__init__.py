"""SASL: the identity of the peer, before AMQP begins [part 5].

The mechanisms of passwords and tokens are imported when a peer offers them, or a server allows them.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.engine.sasl.digest import CramMd5Client as CramMd5Client
    from reactor.engine.sasl.digest import CramMd5Server as CramMd5Server
    from reactor.engine.sasl.digest import DigestMd5Client as DigestMd5Client
    from reactor.engine.sasl.digest import DigestMd5Server as DigestMd5Server
    from reactor.engine.sasl.oauth import OAuthBearerClient as OAuthBearerClient
    from reactor.engine.sasl.oauth import OAuthBearerServer as OAuthBearerServer
    from reactor.engine.sasl.oauth import XOAuth2Client as XOAuth2Client
    from reactor.engine.sasl.oauth import XOAuth2Server as XOAuth2Server
    from reactor.engine.sasl.scram import ScramClient as ScramClient
    from reactor.engine.sasl.scram import ScramServer as ScramServer
else:
    __getattr__ = members(
        __name__,
        CramMd5Client="reactor.engine.sasl.digest",
        CramMd5Server="reactor.engine.sasl.digest",
        DigestMd5Client="reactor.engine.sasl.digest",
        DigestMd5Server="reactor.engine.sasl.digest",
        OAuthBearerClient="reactor.engine.sasl.oauth",
        OAuthBearerServer="reactor.engine.sasl.oauth",
        XOAuth2Client="reactor.engine.sasl.oauth",
        XOAuth2Server="reactor.engine.sasl.oauth",
        ScramClient="reactor.engine.sasl.scram",
        ScramServer="reactor.engine.sasl.scram",
    )
