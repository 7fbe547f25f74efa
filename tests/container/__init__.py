"""Containers, in worlds and on real sockets."""
