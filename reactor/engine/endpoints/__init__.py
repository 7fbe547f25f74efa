"""The endpoints: the objects that the application holds; they survive the wire.

The ledgers of links are imported with the first link that keeps one.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.engine.endpoints.ledger import ledger_for as ledger_for
else:
    __getattr__ = members(__name__, ledger_for="reactor.engine.endpoints.ledger")
