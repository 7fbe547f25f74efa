"""Settings: the keywords of connect, listen and the makers of links, checked and completed."""
