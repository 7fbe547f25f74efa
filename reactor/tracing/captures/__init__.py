"""Captures of Wireshark, tshark and tcpdump: recordings written as such, and captures read as recordings."""
