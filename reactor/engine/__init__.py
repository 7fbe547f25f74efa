"""The engine: AMQP without input or output of its own; told what came and when, it says what to send."""
