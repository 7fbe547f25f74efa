"""The README as a package index shows it: alone, without the files beside it.

A link to such a file becomes an absolute one where pyproject.toml says under which address the files stand
(``[project.urls] Documentation``, which ends with a slash), and plain text where it does not: the words of the link
are the topic that ``python -m reactor.help`` takes. Links within the page and to other sites stay as they are.
"""

from __future__ import annotations

import re
from typing import Optional

LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s]+)\)")
ADDRESS = re.compile(r'^Documentation = "(\S+/)"$', re.M)


def find_address(pyproject: str) -> Optional[str]:
    """Where the files stand, by the text of pyproject.toml; None where it does not say."""
    found = ADDRESS.search(pyproject)
    return found.group(1) if found else None


def for_index(readme: str, address: Optional[str]) -> str:
    """The README with links that lead somewhere from any page."""

    def replace(link: re.Match[str]) -> str:
        words, target = link.groups()
        if target.startswith("#") or "://" in target:
            return link.group()
        return f"[{words}]({address}{target})" if address else words

    return LINK.sub(replace, readme)
