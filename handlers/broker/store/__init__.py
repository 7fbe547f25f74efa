"""Stores: where a broker keeps durable nodes and messages. The broker enters by interface.py alone."""
