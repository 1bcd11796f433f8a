"""A hook of MkDocs that adapts pages written for GitHub.

Links out of docs/ lead to the repository if SITE_REPOSITORY has its address, and are plain text otherwise. The line
that links the languages is removed, because the site has a menu for them.
"""

from __future__ import annotations

import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

LANGUAGES = re.compile(r"^(English|\[English\]\([^)]+\)) \| .*\n\n?", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^]]+)\]\((\.\./[^)#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    def adapt(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), link[2]))
        if target.startswith("docs/"):
            return link[0]
        repository = (config.repo_url or "").rstrip("/")
        return f"[{link[1]}]({repository}/blob/main/{target}{link[3] or ''})" if repository else link[1]

    return LINK.sub(adapt, LANGUAGES.sub("", markdown, count=1))
