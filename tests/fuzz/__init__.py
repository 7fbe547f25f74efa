"""Seeded mutation of what peers send; short in the suite, longer under `tox -e fuzz`."""
