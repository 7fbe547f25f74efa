"""Lessons about messaging: texts, programs that run in a simulated world, pictures of these runs, and exercises."""
