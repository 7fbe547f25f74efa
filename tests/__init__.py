"""The tests: a module for each module, scenarios over engines joined by bytes, and what a user would run."""
