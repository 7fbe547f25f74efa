"""The engine: AMQP without a socket."""
