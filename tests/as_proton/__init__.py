"""Tests of reactor.as_proton: programs for the original on this library."""
