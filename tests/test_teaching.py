"""The page for those who teach quotes the checks and counts the exercises as they are."""

import re

import pytest
from mutation import mutated
from turn_mutants import ITEMS

from ae_utils.course.teaching.lessons import CHECKOUT, lessons

PAGE = (CHECKOUT / "notebooks" / "teaching.md").read_text(encoding="utf-8")
WRONG_ANSWERS = re.findall(r"(?m)^\| `(.*?)` \| (.*?) \| (.*?) \| (.*?) \|$", PAGE)
MINUTES = dict(re.findall(r"(?m)^\| (\d\d) .*\| (\d+) \|$", PAGE))


@pytest.mark.parametrize(("item", "what", "sentence", "advice"), WRONG_ANSWERS)
def test_the_check_says_what_the_page_quotes(item, what, sentence, advice):
    mistake = next(mistake for mistake in ITEMS[item].mistakes if mistake.what == what)
    assert sentence in ITEMS[item].verdict(mutated(ITEMS[item].source, mistake)).sentence and advice


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.name)
def test_the_page_says_about_how_long_the_exercises_take(lesson):
    text = "\n".join(cell["source"] for cell in lesson.notebook["cells"] if cell["cell_type"] == "markdown")
    minutes = sum(map(int, re.findall(r"\(★[★☆]*, (\d+) minutes\)", text)))
    assert abs(int(MINUTES[lesson.name[:2]]) - minutes) <= 15


def test_the_page_is_linked_and_so_is_what_it_links_to():
    assert "(notebooks/teaching.md)" in (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (CHECKOUT / "notebooks" / name).is_file()
