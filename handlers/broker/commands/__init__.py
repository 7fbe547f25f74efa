"""The commands of `amqp-broker`, each in a room of its own. The program enters by its table, in `__main__.py`."""
