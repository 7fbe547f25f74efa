"""What listens and never speaks."""
