"""Seeded mutation of what peers send; short in the suite, longer by `python -m tests.fuzz` (tox -e fuzz).

seeds.py has what is mutated, mutate.py how, targets.py what it is fed to (openings.py and recordings.py with it),
holds.py what must be true then, campaign.py runs cases, each of which a target and a number make again.
"""
