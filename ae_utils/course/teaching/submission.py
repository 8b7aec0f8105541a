"""What is run of a submitted notebook: the answers, each before its check, and of everything else what they need.

Cells are known by their id, or by nbgrader's, which survives editors that change ids; an answer is found by the name
that it defines, too. Checks, and whatever else belongs to the lesson, are taken from the original, however often they
stand in the submission, changed or not at all. The lesson's trainings are left out: a check needs none of them, and
every number of epochs is 0.
"""

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

from ae_utils.course.teaching.lessons import (
    Cell,
    Exercise,
    Lesson,
    changed,
    code_cells,
    defined,
    epoch_settings,
    python,
    read,
    statements,
)

CONTEXT, ANSWER, CHECK = "context", "answer", "check"


class Step(NamedTuple):
    """Source to run: a statement that others need, an answer, or the arguments of a check."""

    kind: str
    source: str
    exercises: tuple[Exercise, ...] = ()  # the one that is checked, or those that are answered


class Answer(NamedTuple):
    """The cell that answers an exercise, and whether it is still the stub."""

    source: str
    is_stub: bool


def which_lesson(notebook: dict[str, Any], name: str, lessons: list[Lesson]) -> Lesson | None:
    """The lesson that most of a notebook's answers belong to; where there are none, the one in its file's name."""
    cells = code_cells(notebook)
    ids, made = {identity(cell) for cell in cells}, set().union(*(_made(cell["source"]) for cell in cells))

    def likeness(lesson: Lesson) -> int:
        own = [exercise for exercise in lesson.exercises if made & set(exercise.answers)]
        known = [cell for cell in code_cells(lesson.notebook) if cell["id"] in ids]
        return 2 * (len(known) + len(own)) + (lesson.name in name)

    best = max(lessons, key=likeness)
    return best if likeness(best) else None


def identity(cell: Cell) -> str:
    """The id of a cell: nbgrader's, or its own; "" where it has lost both."""
    ours = cell["metadata"].get("nbgrader")
    return str((ours.get("grade_id") if isinstance(ours, dict) else None) or cell.get("id") or "")


def answers(lesson: Lesson, notebook: dict[str, Any]) -> dict[str, Answer]:
    """The answer in ``notebook`` to each exercise, by name: the last that is no stub of a cell which has the stub's id,
    or defines what the stub defines.
    """
    originals = {cell["id"]: cell["source"] for cell in code_cells(lesson.notebook)}
    given = [(identity(cell), cell["source"]) for cell in code_cells(notebook)]
    theirs = [(key, source) for key, source in given if _is_theirs(key, source, lesson, originals)]
    found = {}
    for exercise in lesson.exercises:
        stub = originals[exercise.stub]
        written = [
            source
            for key, source in theirs
            if (key == exercise.stub or (key not in originals and set(exercise.answers) & _written(source)))
            and not _same(source, stub)
        ]
        found[exercise.name] = Answer(python((written or [stub])[-1]), not written)
    return found


def steps(lesson: Lesson, notebook: dict[str, Any], found: dict[str, Answer]) -> list[Step]:
    """What is run, in order: answers, checks, and of all other statements those that define what is read later."""
    extras = _extras(lesson, notebook, {answer.source for answer in found.values()})
    program: list[Step] = [*_context(extras.get("", []))]
    for cell in code_cells(lesson.notebook):
        tree = _without_training(cell)
        of_stub = [exercise for exercise in lesson.exercises if exercise.stub == cell["id"]]
        of_check = [exercise for exercise in lesson.exercises if exercise.check == cell["id"]]
        if of_stub:
            program += _context(node for node in tree if isinstance(node, ast.Import | ast.ImportFrom))
            program += _answers(found, of_stub)
        else:
            calls = {name for exercise in of_check if exercise.is_turn for name in exercise.answers}
            program += _context(node for node in tree if not calls & defined(node))
        program += [Step(CHECK, exercise.arguments, (exercise,)) for exercise in of_check if not exercise.by_hand]
        program += _context(extras.get(cell["id"], []))
    return _sliced(program)


def _answers(found: dict[str, Answer], exercises: list[Exercise]) -> Iterator[Step]:
    graded = [exercise for exercise in exercises if not exercise.by_hand]
    for source in dict.fromkeys(found[exercise.name].source for exercise in graded):
        yield Step(ANSWER, source, tuple(exercise for exercise in graded if found[exercise.name].source == source))


def _sliced(program: list[Step]) -> list[Step]:
    """Answers, checks, and the statements that these read, those that these read …"""
    parts = [_Part.of(step) for step in program]
    kept = {index for index, step in enumerate(program) if step.kind != CONTEXT}
    todo = list(kept)
    for index in todo:
        for name in parts[index].reads:
            new = set(_sources(name, index, parts)) - kept
            kept |= new
            todo += new
    return [program[index] for index in sorted(kept)]


class _Part(NamedTuple):
    """What a step reads, binds, and changes or perhaps binds."""

    reads: set[str]
    binds: set[str]
    touches: set[str]

    @classmethod
    def of(cls, step: Step) -> "_Part":
        reads: set[str] = set()
        binds: set[str] = set()
        touches: set[str] = set()
        for node in statements(step.source):
            own = defined(node.target) if isinstance(node, ast.For) else set()
            reads |= read(_text(node)) - binds - own
            touches |= changed(node)
            if isinstance(node, ast.For | ast.While | ast.If | ast.Try):
                touches |= defined(node)  # perhaps
            else:
                binds |= defined(node)
        return cls(reads, binds, touches)


def _sources(name: str, index: int, parts: list[_Part]) -> Iterator[int]:
    """The steps that a name read at ``index`` comes from: the last that binds it, with all that touch it after that.

    Where none before does, the first after it, since a function may read what is there when it is called.
    """
    for earlier in range(index - 1, -1, -1):
        if name in parts[earlier].binds | parts[earlier].touches:
            yield earlier
        if name in parts[earlier].binds:
            return
    yield from [later for later in range(index + 1, len(parts)) if name in parts[later].binds][:1]


def _extras(lesson: Lesson, notebook: dict[str, Any], answers: set[str]) -> dict[str, list[ast.stmt]]:
    """The learner's own statements in other cells than ``answers``, by the lesson's cell that they follow.

    These are the statements that define or change names which the lesson itself does not have.
    """
    originals = {cell["id"]: cell["source"] for cell in code_cells(lesson.notebook)}
    lessons_own = set().union(*(_made(source) for source in originals.values()))
    extras: dict[str, list[ast.stmt]] = {}
    after = ""
    for cell in code_cells(notebook):
        after = identity(cell) if identity(cell) in originals else after
        source = python(cell["source"])
        for statement in statements(source) if source not in answers else ():
            names = defined(statement) | changed(statement)
            if names and not names & lessons_own:
                extras.setdefault(after, []).append(statement)
    return extras


def _context(nodes: Any) -> Iterator[Step]:
    return (Step(CONTEXT, _text(node)) for node in nodes)


def _text(node: ast.AST) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:  # nobody writes such a thing by accident
        return ""


def _without_training(cell: Cell) -> list[ast.stmt]:
    names, tree = set(epoch_settings(cell)), statements(cell["source"])
    for node in tree:
        if isinstance(node, ast.Assign) and names & defined(node):
            node.value = ast.Constant(0)
    return tree


def _written(source: str) -> set[str]:
    """What a cell defines and does not only import."""
    return defined(*(node for node in statements(source) if not isinstance(node, ast.Import | ast.ImportFrom)))


def _is_theirs(key: str, source: str, lesson: Lesson, originals: dict[str, str]) -> bool:
    """Whether a cell may hold an answer: a stub's, or one that is not the lesson's."""
    stubs = {exercise.stub for exercise in lesson.exercises}
    return key in stubs or (key not in originals and not any(_same(source, own) for own in originals.values()))


def _same(one: str, other: str) -> bool:
    return [line.rstrip() for line in one.strip().splitlines()] == [
        line.rstrip() for line in other.strip().splitlines()
    ]


def _made(source: str) -> set[str]:
    return defined(*statements(source))
