"""Reconnect: how a connection is kept, and where it goes next."""
