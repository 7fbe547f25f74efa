"""Azure Service Bus, as far as it goes beyond AMQP: against a stand-in."""
