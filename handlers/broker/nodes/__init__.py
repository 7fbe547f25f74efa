"""The broker's nodes: queues and topics, and what is counted of them."""
