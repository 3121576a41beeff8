"""What the page's files hold, without a browser: its words in every language, its size, its independence."""

import gzip
import json
import re
from pathlib import Path

import pytest

from handler.api.page import FOLDER

MOST_BYTES = 150_000
LANGUAGES = ("en", "de", "es", "zh", "ar")
PLURALS = re.compile(r"\.(zero|one|two|few|many)$")
MADE_UP = {"problem", "ending", "tab", "replay", "principle", "judge", "plan", "status", "activity", "measure"}
SOURCES = sorted([*FOLDER.glob("*.js"), *FOLDER.glob("*.html")])


def words(language: str) -> dict[str, str]:
    """The messages of a language."""
    found: dict[str, str] = json.loads((FOLDER / f"messages/{language}.json").read_text())
    return found


def placeholders(message: str) -> set[str]:
    """The names in braces."""
    return set(re.findall(r"\{(\w+)\}", message))


def used_keys() -> set[str]:
    """Every literal in the page's sources that a message could be called by."""
    text = "\n".join(path.read_text() for path in SOURCES)
    return set(re.findall(r"""["'`]([a-z_0-9.]+)["'`]""", text))


def is_made_up(key: str) -> bool:
    """Whether the page puts a key together: of a setting, tab, error, ending or outcome; in the lab of a name in an answer."""
    return key.split(".", maxsplit=1)[0] in MADE_UP or key.endswith(".note")


def test_the_languages_are_those_of_the_page() -> None:
    """There is a file for each that can be chosen, and no other."""
    table = re.search(r"LANGUAGES = \{(.+)\}", (FOLDER / "words.js").read_text())
    assert table is not None
    assert set(re.findall(r"(\w+):", table[1])) == {path.stem for path in FOLDER.glob("messages/*")} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same(language: str) -> None:
    """Each has a message for every key of English, with the same values in it. Plural forms are its own affair."""
    english, own = words("en"), words(language)
    assert {key for key in own if not PLURALS.search(key)} == {key for key in english if not PLURALS.search(key)}
    for key, message in own.items():
        whole = english[PLURALS.sub("", key)]
        assert placeholders(message) <= placeholders(whole), key
        assert PLURALS.search(key) or placeholders(message) == placeholders(whole), key
        assert message.strip(), key


def test_every_message_is_used() -> None:
    """A message that no source names is no longer said."""
    unused = {key for key in words("en") if not PLURALS.search(key) and not is_made_up(key)} - used_keys()
    assert not unused


def test_every_message_that_is_used_exists() -> None:
    """Of the messages asked for by name, none is missing."""
    text = "\n".join(path.read_text() for path in SOURCES)
    asked = set(re.findall(r"""\bt\("([^"]+)"[,)]""", text)) | set(re.findall(r'data-(?:text|label|hint|tip)="([^"]+)"', text))
    assert len(asked) > 60
    assert asked <= set(words("en"))


def test_the_page_is_light() -> None:
    """All of its files together, compressed."""
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= MOST_BYTES


@pytest.mark.parametrize("path", [*SOURCES, *sorted(FOLDER.glob("*.css"))], ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    """The only addresses in the sources are SVG's namespace and a page of explanation."""
    known = {"http://www.w3.org/2000/svg", "https://www.w3.org/WAI/ARIA/apg/patterns/tabs/"}
    assert set(re.findall(r"https?://[^\s\"'`,;)]+", path.read_text())) <= known
