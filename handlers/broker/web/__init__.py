"""The web page of a broker, and its metrics: HTTP in threads of its own, beside the broker's thread."""
