"""What listens to an engine and never speaks: the wire trace for people (text)."""
