"""The codec: AMQP's types, their bytes, the specification's tables, and Message. It knows no connection."""
