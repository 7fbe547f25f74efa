"""Mutation testing of the rooms where a wrong line loses or doubles messages, or lets somebody in.

    tox -e mutants                            every room, 60 mutants of each
    tox -e mutants -- hosts limits --sample 0 these rooms, all of their mutants

A room is a module and the tests that have to notice whatever is changed in it (rooms.py). The mutants are cosmic-ray's,
of a large room a sample, the same one for the same seed; forks.py runs the tests on each, in a copy of the checkout.
Those that live are shown, unless equivalents.py says why nobody can tell them from the original; the status is 1 when
there are any.
"""
