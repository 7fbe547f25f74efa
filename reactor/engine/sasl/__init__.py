"""SASL: the identity of the peer, before AMQP begins [part 5]."""
