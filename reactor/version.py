"""The release of python-qpid-proton that this library follows in names and signatures.

Programs for the original ask for these to choose the features that they use. The version of this library is
`reactor.__version__`.
"""

VERSION_MAJOR = 0
VERSION_MINOR = 40
VERSION_POINT = 0
VERSION = (VERSION_MAJOR, VERSION_MINOR, VERSION_POINT)
