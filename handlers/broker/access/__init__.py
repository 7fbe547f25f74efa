"""Access: which clients are let in, as which users, and what these may do. The broker enters by `doors.py`."""
