"""Transactions of applications: the work in them, and the control links to the coordinators of peers.

The work is imported with the first transaction.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.container.transactions.transaction import Transaction as Transaction
else:
    __getattr__ = members(__name__, Transaction="reactor.container.transactions.transaction")
