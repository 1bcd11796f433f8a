"""A hook of MkDocs that adapts pages written for GitHub.

Links out of docs/ lead to the repository if SITE_REPOSITORY has its address, and are plain text otherwise. The line
that links the languages is removed, because the site has a menu for them. The headings of a translation also get the
anchors of the original, because English pages without a translation link to them.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

LANGUAGES = re.compile(r"^(English|\[English\]\([^)]+\)) \| .*\n\n?", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^]]+)\]\((\.\./[^)#]+)(#[^)]*)?\)")
HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    def adapt(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), link[2]))
        if target.startswith("docs/"):
            return link[0]
        repository = (config.repo_url or "").rstrip("/")
        return f"[{link[1]}]({repository}/blob/main/{target}{link[3] or ''})" if repository else link[1]

    markdown = LINK.sub(adapt, LANGUAGES.sub("", markdown, count=1))
    if page.file.src_uri.endswith(".zh.md"):
        original = Path(config.docs_dir, page.file.src_uri.removesuffix(".zh.md") + ".md").read_text()
        anchors = iter([re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in HEADING.findall(original)])
        markdown = HEADING.sub(lambda heading: f'<a id="{next(anchors)}"></a>\n\n{heading[0]}', markdown)
    return markdown
