"""An AMQP 1.0 broker in memory: an application like any other, on the public names of `reactor` and `handlers`."""
