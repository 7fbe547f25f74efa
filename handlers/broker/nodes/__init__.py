"""The broker's nodes: queues and topics, and their statistics."""
