"""Listeners to an engine, which never speak: the wire trace for people (text)."""
