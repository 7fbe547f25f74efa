"""Pictures of recordings: sequence diagrams as SVG, and pages with all of a run; python -m reactor.look makes them."""
