"""Against python-qpid-proton, in both directions; skipped, and said so, where that is not installed.

The original runs in this process, in threads of its own: what it received can be compared value by value. Its
broker, which can only be stopped by force, is a process.
"""
