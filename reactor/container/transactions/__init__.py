"""Transactions of applications: the work in them, and the control links to the coordinators of peers."""
