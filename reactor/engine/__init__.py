"""The engine: AMQP without input or output of its own. Bytes that came, and the time, go in; bytes to send come out."""
