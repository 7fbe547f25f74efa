"""SASL: who the peer is, before AMQP begins [part 5]."""
