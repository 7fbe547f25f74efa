"""The codec: AMQP's types, their bytes, the specification's tables, and Message. It knows no connection."""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.codec.data import Data as Data
else:
    __getattr__ = members(__name__, Data="reactor.codec.data")
