"""Seeded mutation of what peers send; short in the suite, longer by `python -m tests.fuzz` (tox -e fuzz).

seeds.py has what is mutated, mutate.py how, targets.py what it is fed to and what must hold then, campaign.py
runs cases, each of which one number makes again.
"""
