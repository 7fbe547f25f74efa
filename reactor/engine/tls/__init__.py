"""TLS: what hides the bytes, by the standard library's ssl."""
