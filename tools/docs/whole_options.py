"""Keep options such as `--debug` on one line: browsers break lines after hyphens. mkdocs.yml loads this hook."""

from __future__ import annotations

import re


def on_page_content(html: str, **_: object) -> str:
    """Mark the options in inline code; `docs/assets/site.css` says how they are shown."""
    return re.sub(
        r"<code>[^<]*</code>",
        lambda code: re.sub(r"--[\w.-]+", r'<span class="option">\g<0></span>', code[0]),
        html,
    )
