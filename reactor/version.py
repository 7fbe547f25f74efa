"""The release of python-qpid-proton whose names and signatures this library has.

Programs for the original ask for these to find out what they can use. The version of this library is
`reactor.__version__`.
"""

VERSION_MAJOR = 0
VERSION_MINOR = 40
VERSION_POINT = 0
VERSION = (VERSION_MAJOR, VERSION_MINOR, VERSION_POINT)
