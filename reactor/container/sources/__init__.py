"""Sources of events beside connections: timers, sockets, other threads."""
