"""The lessons and exercises of examples/lessons."""
