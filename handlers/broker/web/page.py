"""The page itself: its HTML, style and script, which stand beside this file, in one answer that needs no other.

Its security policy allows this style and this script, by their hashes, and nothing else: text that comes into the page
by mistake as markup could load nothing and run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


class Page:
    """policy: the value of Content-Security-Policy."""

    def __init__(self) -> None:
        style, script = _read("page.css"), _read("page.js")
        self._text = _read("page.html").replace("/*style*/", style).replace("/*script*/", script)
        self.policy = (
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def render(self, token: str) -> bytes:
        """The page, for the actions that this token allows. token: letters and digits."""
        return self._text.replace("--token--", token).encode()


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
