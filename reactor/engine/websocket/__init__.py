"""WebSocket below AMQP, for networks that let nothing else through [RFC 6455; the OASIS binding of AMQP to it].

It is imported with the first connection that goes through it.
"""
