"""The blocking API: calls that return when the peer has answered. reactor.utils lists its names."""
