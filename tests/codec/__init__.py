"""The codec: bytes to values and back."""
