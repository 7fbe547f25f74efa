"""What most programs never need is not imported before somebody needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reactor.lazily import Lazily

HERE = Path(__file__).parent.parent


def test_a_lazy_module_is_that_module() -> None:
    json = Lazily("json")
    assert json.loads("[1]") == [1]
    with pytest.raises(AttributeError):
        json.no_such_thing  # noqa: B018


def test_a_program_without_tls_and_passwords_does_not_pay_for_them() -> None:
    needless = "{'ssl', 'json', 'dataclasses', 'difflib'}"
    program = "import sys, reactor, handlers; print(*sorted(%s & set(sys.modules)))" % needless
    shown = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=HERE, stdout=subprocess.PIPE, check=True, timeout=60, text=True
    )
    assert shown.stdout.split() == []
