"""Settings: what connect, listen and the makers of links take, checked."""
