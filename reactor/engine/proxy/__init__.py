"""HTTP proxies below everything else, for networks that let nothing out but through one [RFC 9110, 9.3.6].

It is imported with the first connection that goes through one.
"""
