"""What the README, the docs and the other pages of the repository contain: code blocks, commands, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "configs/README.md", "docker/README.md", "tools/bench/README.md",
    "tools/pairs/README.md",
)  # fmt: skip


def pages() -> dict[str, str]:
    """Path relative to the repository -> text of every page, docs included."""
    paths = [ROOT / name for name in PAGES] + sorted((ROOT / "docs").rglob("*.md"))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [match[1] for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def commands(block: str) -> list[list[str]]:
    """The words of each command of a bash block, without comments and with continued lines joined."""
    return [shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def commands_under(heading: str) -> list[list[str]]:
    """The commands of the first bash block under a heading, which one page alone has."""
    found = [
        text[match.end() :]
        for text in pages().values()
        for match in re.finditer(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE)
    ]
    (section,) = (text for text in found if code_blocks(text, "bash"))
    return commands(code_blocks(section, "bash")[0])
