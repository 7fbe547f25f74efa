"""What the application holds: the Container and what it makes (container), links' options (options)."""
