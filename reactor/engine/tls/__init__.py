"""TLS: encryption of the wire, by the standard library's ssl."""
