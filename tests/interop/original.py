"""The original, or the reason why it is not here: a module that imports this is skipped without it.

With AMQP_REACTOR_INTEROP=required, as in the tox environment `interop`, its absence is an error.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from tests.support.libraries import THEIRS, load

#: (the library that sends or connects, the library that receives or listens)
Direction = tuple[SimpleNamespace, SimpleNamespace]

try:
    ORIGINAL = load(THEIRS)
except ImportError as error:
    if os.environ.get("AMQP_REACTOR_INTEROP") == "required":
        raise
    pytest.skip(f"{error}; `tox -e interop` installs {THEIRS}", allow_module_level=True)
