"""Every "your turn": mutants are refused, right answers in any style are not, and Run All always has a function."""

import pytest
import torch
from mutation import by_name, mutated, operator_mutants
from turn_mutants import ITEMS, REPORT, report

from ae_utils.course.checks.check import RIGHT, WRONG
from ae_utils.course.checks.your_turn import NOT_WRITTEN, USED, your_turn

MISTAKES = [(name, mistake) for name, item in ITEMS.items() for mistake in item.mistakes]
VARIANTS = [(name, source) for name, item in ITEMS.items() for source in (item.source, *item.variants)]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=lambda value: getattr(value, "what", value))
def test_a_mistake_is_named(name, mistake):
    item = ITEMS[name]
    verdict = item.verdict(mutated(item.source, mistake))
    assert verdict.state == WRONG and by_name(verdict) and mistake.named in verdict.sentence, verdict


@pytest.mark.parametrize("name", ITEMS)
def test_what_operators_change_is_refused_unless_it_changes_nothing(name):
    item, accepted = ITEMS[name], set()
    for change, mutant in operator_mutants(item.source):
        if item.verdict(mutant).state == RIGHT:
            accepted.add(change)
    assert accepted == set(item.equivalent)


@pytest.mark.parametrize(("name", "source"), VARIANTS)
def test_a_right_answer_in_any_style_is_returned_itself(name, source, capsys):
    item = ITEMS[name]
    answer = item.answer(source)
    assert item.turn(answer) is answer, item.turn.verdict(answer)
    assert capsys.readouterr().out == f"right: {item.turn.verdict(answer).sentence}\n"


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("kind", ["stub", "dots", "None", "only dots", "returns dots", "run again"])
def test_a_stub_is_not_written_yet(name, kind, capsys):
    item = ITEMS[name]
    made = item.turn.own.__name__
    head = f"class {made}(nn.Module):" if item.is_class else f"def {made}(*inputs):"
    returned = f"{made} = lambda *inputs: ..."
    stub = {
        "stub": lambda: item.answer(item.stub),
        "dots": lambda: ...,
        "None": lambda: None,
        "only dots": lambda: item.answer(f"{head} ..."),
        "returns dots": lambda: item.answer(f"{head} ..." if item.is_class else returned),
        "run again": lambda: item.turn.own,
    }[kind]()
    assert item.turn(stub) is item.turn.own
    assert capsys.readouterr().out == f"not written yet: {USED}\n"


def test_a_stub_is_seen_without_its_source():
    names = {}
    exec("def answer(x_hat, x): return x_hat - ...", names)
    assert ITEMS["02 psnr"].turn.verdict(names["answer"]) == (NOT_WRITTEN, USED)


@pytest.mark.parametrize("name", ITEMS)
def test_an_answer_that_raises_is_not_right_and_the_course_s_own_is_used(name, capsys):
    item = ITEMS[name]
    broken = "def {}(*inputs, **options):\n    return 1 / 0"
    if item.is_class:
        base = item.turn.own.__bases__[0].__name__.replace("Module", "nn.Module")
        broken = f"class {{}}({base}):\n    def forward(self, x): return x\n    def __init__(self, *parts): 1 / 0"
    assert item.turn(item.answer(broken.format(item.turn.own.__name__))) is item.turn.own
    assert capsys.readouterr().out == f"not yet: it raised ZeroDivisionError: division by zero; {USED}\n"


def test_a_forgotten_return_is_not_written_yet_and_says_why():
    item = ITEMS["02 psnr"]
    verdict = item.verdict("def psnr(x_hat, x):\n    mse = (x_hat - x).square().mean((1, 2, 3))")
    assert verdict == (NOT_WRITTEN, f"nothing is returned; {USED}")


@pytest.mark.parametrize("name", ITEMS)
def test_the_course_s_own_is_right_and_has_the_learner_s_name(name):
    turn = ITEMS[name].turn
    assert turn.own.__name__ == turn.own.__qualname__ and not turn.own.__name__.startswith("own_")
    assert turn.confirm(turn.own) and turn.__doc__


@pytest.mark.parametrize("name", ITEMS)
def test_a_verdict_leaves_the_caller_s_random_numbers_alone(name):
    torch.manual_seed(3)
    before = torch.rand(4)
    torch.manual_seed(3)
    ITEMS[name].verdict(ITEMS[name].source)
    assert torch.equal(torch.rand(4), before)


def test_dots_in_an_index_are_no_stub():
    @your_turn(abs)
    def confirm(answer):
        assert answer(torch.ones(2, 2)).shape == (2,), "wrong"
        return "fine"

    answer = ITEMS["02 psnr"].answer("def psnr(x): return x[..., 0, 0] + x[..., None, 0]")
    assert confirm.verdict(answer).state == WRONG


def test_the_report_is_what_the_command_writes():
    assert REPORT.read_text(encoding="utf-8") == report()
