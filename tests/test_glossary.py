"""The glossary: sorted terms, one sentence each, with a lesson that exists and a source."""

import re
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "notebooks" / "glossary.md"
SECTIONS = [section.strip() for section in PATH.read_text(encoding="utf-8").split("\n### ")[1:]]
ENTRIES = dict(section.split("\n", 1) for section in SECTIONS)
REFERENCE = r"Lesson \[(\d\d)\]\((\1_\w+\.ipynb)\) · .+?\*[^*]+\*, \d{4}(, (chapter|appendix) \w+)?\."


def test_terms_are_sorted_and_unique():
    terms = [section.split("\n", 1)[0].casefold() for section in SECTIONS]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("term", ENTRIES)
def test_an_entry_is_one_sentence_with_a_lesson_and_a_source(term):
    sentence, reference = ENTRIES[term].split("\\\n")
    assert re.fullmatch(r"[^.\n]+(?:\d\.\d+[^.\n]+)*\.", sentence)
    found = re.fullmatch(REFERENCE, reference)
    assert found and (PATH.parent / found[2]).is_file()


def test_the_readme_leads_to_the_glossary():
    assert "(notebooks/glossary.md)" in (PATH.parents[1] / "README.md").read_text(encoding="utf-8")
