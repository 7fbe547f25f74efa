"""The wiretap: frames as they pass, faults on them, a peer by script, properties of runs."""
