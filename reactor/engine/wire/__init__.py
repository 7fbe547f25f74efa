"""The wire: what one connection over the network consists of, and what dies with it."""
