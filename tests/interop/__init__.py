"""Against python-qpid-proton, in both directions; skipped, and said so, where that is not installed."""
