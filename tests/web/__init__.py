"""The web page of a broker in a real browser, and its metrics in a reader of Prometheus's own."""
