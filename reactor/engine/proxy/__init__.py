"""HTTP proxies below everything else, for networks that let nothing out but through one [RFC 9110, 9.3.6]."""
