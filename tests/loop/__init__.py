"""The loop: time, selectors and sockets."""
