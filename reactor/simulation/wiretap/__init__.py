"""The wiretap: frames as they pass, faults on them, a peer by script, properties of what was seen."""
