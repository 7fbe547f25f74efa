"""Access: which clients are let in, as which users, with which permissions. The broker enters by `doors.py`."""
