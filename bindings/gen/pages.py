"""The programs in README.md and docs/languages.md, which are those of examples/tour, and in docs/guide.md, of examples/serve.

In a page, a line `<!-- examples/tour/tour.py -->` before a block of code makes the block that file; with `: Train it.`
after the path it is what stands in the file under the comment of that text.
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/languages.md", "docs/guide.md")
BLOCK = re.compile(r"(?P<mark><!-- (?P<path>examples/\S+?)(?:: (?P<title>[^>]*?))? -->\n\n?)```(?P<kind>\w+)\n.*?```\n", re.S)
COMMENT = re.compile(r"(?P<indent>\s*)(#|//|/\*) (?P<text>.*?)( \*/)?$")


def section(path, title):
    """The lines under a comment, to the next blank line or the end of the block that they are in."""
    found, indent = [], None
    for line in (ROOT / path).read_text().splitlines():
        comment = COMMENT.match(line)
        if indent is None:
            if comment and comment["text"].startswith(title):
                indent = comment["indent"]
        elif not line.startswith(indent) or not line.strip():
            break
        else:
            found.append(line)
    if not found:
        sys.exit(f"{path} has nothing under a comment '{title}'")
    return textwrap.dedent("\n".join(found))


def filled(match):
    path, title = match["path"], match["title"]
    text = section(path, title) if title else (ROOT / path).read_text().strip("\n")
    return f"{match['mark']}```{match['kind']}\n{text.expandtabs(4)}\n```\n"


def files():
    for page in PAGES:
        yield page, BLOCK.sub(filled, (ROOT / page).read_text())
