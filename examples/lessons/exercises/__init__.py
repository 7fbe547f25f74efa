"""Exercises that grade themselves: a promise each, kept or broken in two hundred stormy worlds."""
