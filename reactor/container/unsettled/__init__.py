"""Unsettled stores: they keep the deliveries of links with ExactlyOnce()."""
