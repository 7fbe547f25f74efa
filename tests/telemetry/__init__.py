"""Metrics, trace context and log fields."""
