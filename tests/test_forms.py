"""Answer forms: hand-made replies with what must be read in them, and laws over made-up ones."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.errors import ParameterError
from populace.language.forms import FORMS, Form, form
from populace.language.forms.stated import boxed, said_aloud, stated, tagged

NUMBERS = [
    # stated
    ("Answer: 42", 42),
    ("The answer is 5.", 5),
    ("**Answer:** 1,234.5", 1234.5),
    ("**Final Answer**: -7", -7),
    ("Final Answer\n\n42", 42),
    ("#### 72", 72),
    ("the answer is \\boxed{7}", 7),
    ("The final answer is: $\\boxed{\\frac{1}{2}}$", 0.5),
    ("<answer>12</answer>", 12),
    ('{"answer": 5}', 5),
    ("Answer: 3 x 4 = 12", 12),
    ("x = -5", -5),
    ("Answer: 12 (since 3*4)", 12),
    ("The answer is: 5 (not 6).", 5),
    ("If I'm not mistaken, the answer is 5", 5),
    ("Answer: 4\nWait, that is wrong.\nAnswer: 6", 6),
    # written in many ways
    ("Answer: $1,234,567.89", 1234567.89),
    ("Total - 3", 3),
    ("\u22123", -3),
    ("+3", 3),
    ("1/2", 0.5),
    ("2 1/2", 2.5),
    ("-2 1/2", -2.5),
    ("\\frac{3}{4}", 0.75),
    ("Answer: 1.5 × 10^3", 1500),
    ("Answer: $2 \\times 10^{-2}$", 0.02),
    ("1e5", 100000),
    ("50%", 50),
    ("10\\%", 10),
    ("12kg", 12),
    ("12 cm^2", 12),
    ("Answer: -0", 0),
    ("Answer: .5", 0.5),
    ("Answer: 12345678901234567890123", 12345678901234567890123),
    # not announced: the last sentence with a number, if it has only one
    ("First 3 apples. She has 3 + 4 = 7 apples.\nHope this helps!", 7),
    ("0.1+0.2=0.3", 0.3),
    ("It is 3.", 3),
    ("So 3 of the 12 remain.", None),
    # nothing that can be told
    ("", None),
    ("   \n", None),
    ("I do not know.", None),
    ("I do not know; it is not 3.", None),
    ("Is it 5?", None),
    ("The answer is 5?", None),
    ("Answer:", None),
    ("Answer: none of these", None),
    ("Answer: 5 or 6", None),
    ("Answer: between 5 and 6", None),
    ("Answer: 10-3", None),
    ("Answer: 1,5", None),
    ("Answer: 1.2.3", None),
    ("Answer: 12/31/2020", None),
    ("Answer: 3:45", None),
    ("Answer: 10^3", None),
    ("Answer: 2**8", None),
    ("Answer: 5!", None),
    ("Answer: 5x", None),
    ("Answer: x5", None),
    ("Answer: 1st", None),
    ("Answer: 1/0", None),
    ("1e999", None),
    ("the answer is not 5", None),
    ("The answer isn't 5", None),
    ("I don't think the answer is 5", None),
    # reasoning is no answer
    ("<think>Answer: 5</think>", None),
    ("<think>so Answer: 5", None),
    ("<think>Answer: 5</think>Answer: 6", 6),
    ("it must be 4</think>\nAnswer: 5", 5),
    ("<answer>12", None),
    ("<answer></answer> 12", None),
    ("<answer>3</answer> no, <answer>4</answer>", 4),
]

LETTERS = [
    ("C", "C"),
    ("c", "C"),
    ("(C)", "C"),
    ("**C**", "C"),
    ("Answer: C", "C"),
    ("Answer: **(J)**", "J"),
    ("Answer: $C$", "C"),
    ("The answer is (C).", "C"),
    ("The answer is C because A is wrong", "C"),
    ("The answer is A, because B is wrong", "A"),
    ("Answer: C. Paris", "C"),
    ("C) Paris", "C"),
    ("C. Paris", "C"),
    ("(C) Paris", "C"),
    ("The correct option is B", "B"),
    ("The best choice is (E), since it is", "E"),
    ("Option C is correct", "C"),
    ("(B) is the correct answer", "B"),
    ("I would choose (D).", "D"),
    ("Some reasoning about A and B.\n\nD", "D"),
    ("\\boxed{\\text{C}}", "C"),
    ("<answer>C</answer>", "C"),
    ('{"answer": "C"}', "C"),
    ("(A) is wrong. The answer is (B).", "B"),
    ("Answer: A\nWait.\nAnswer: B", "B"),
    ("Is A the answer? The answer is B", "B"),
    # prose, not letters
    ("the answer is a matter of taste", None),
    ("Answer: I do not know", None),
    ("Answer: I, too, think so", None),
    ("A good question", None),
    ("I think so", None),
    ("A long story.\nIt ends with E coli", None),
    ("Vitamin C", None),
    ("reasoning about D", None),
    ("Answer: C++", None),
    ("Answer: C-section", None),
    ("Answer: A.M.", None),
    ("Answer: Cat", None),
    ("Answer: K", None),
    ("Answer: 3", None),
    # two, or denied
    ("Answer: A or B", None),
    ("Answer: A, B", None),
    ("Answer: A/B", None),
    ("Answer: (A) and (B)", None),
    ("The answer is either A or B", None),
    ("A and B is the correct answer", None),
    ("The answer is not C", None),
    ("Option A is not correct", None),
    ("I don't think option A is correct", None),
    ("", None),
    ("<think>The answer is C</think>", None),
]

TEXTS = [
    ("Paris", "paris"),
    ("Answer: Paris.", "paris"),
    ('The answer is **"Paris"**.', "paris"),
    ("The answer is St. Louis. It is big.", "st. louis"),
    ("Answer:   New \t York", "new york"),
    ("Answer: ＰＡＲＩＳ", "paris"),
    ("<answer>the  sea</answer>", "the sea"),
    ("two\nlines", None),
    ("x" * 201, None),
    ("Answer: not Paris", None),
    ("", None),
    ("...", None),
]

VERBATIM = [
    ("<answer>\n1 2\n3 4\n</answer>", "1 2\n3 4"),
    ("Reasoning.\n<answer>A b</answer> done", "A b"),
    ("Answer: 1 2\n3 4", "1 2\n3 4"),
    ("1 2\n3 4", "1 2\n3 4"),
    ("<think>1</think>", None),
    ("<answer> </answer>", None),
    ("<answer>cut off", None),
]

CODES = [
    ("Here:\n```python\ndef f():\n    return 1  \n```\nDone", "def f():\n    return 1"),
    ("```\nx = 1\n```", "x = 1"),
    ("  ```py\n  x = 1\n  ```", "x = 1"),
    ("```python\nx = 1\n```\nbetter:\n```python\nx = 2\n```", "x = 2"),
    ("```python\nx = 1\n```\nrun it:\n```bash\npython x.py\n```", "x = 1"),
    ("def f():\n    return 1", "def f():\n    return 1"),
    ("```python\nx = 1", None),  # cut off
    ("I cannot do that.", None),
    ("sure", None),
    ("", None),
    ("```python\n```", None),
]

JSONS = [
    ('{"b": 1, "a": [2, 3]}', '{"a":[2,3],"b":1}'),
    ('Here:\n```json\n{"a": 1}\n```', '{"a":1}'),
    ("<answer>[1, 2]</answer>", "[1,2]"),
    ('{"a": NaN}', None),
    ("{'a': 1}", None),
    ('{"a": 1', None),
    ("", None),
]

TABLES = {
    "number": NUMBERS,
    "letter": LETTERS,
    "text": TEXTS,
    "verbatim": VERBATIM,
    "code": CODES,
    "json": JSONS,
}
CASES = [(name, reply, expected) for name, table in TABLES.items() for reply, expected in table]


@pytest.mark.parametrize(("name", "reply", "expected"), CASES)
def test_a_reply_is_read_as_a_person_would(name, reply, expected):
    found = form(name).extract(reply)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("name", "reply"), [(n, r) for n, r, found in CASES if found is not None])
def test_extracting_what_was_extracted_changes_nothing(name, reply):
    own = form(name)
    once = own.extract(reply)
    assert own.extract(str(once)) == once


@given(st.sampled_from(sorted(TABLES)), st.text(max_size=200))
def test_any_text_gives_a_hashable_answer_or_none_that_reads_back(name, reply):
    own = form(name)
    found = own.extract(reply)
    assert own.same(found, found) == (found is not None)
    if found is not None:
        hash(found)
        assert own.extract(str(found)) == found


@given(
    st.sampled_from(sorted(set(TABLES) - {"verbatim"})),
    st.text(alphabet="abcdefghij ABCDEFGHIJ.,:;!?0123456789-%/$\n*()", max_size=60),
)
def test_no_answer_is_read_inside_reasoning(name, thought):
    assert form(name).extract(f"<think>{thought}</think>") is None
    assert form(name).extract(f"<think>{thought}") is None


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_are_exact_with_and_without_separators(n):
    number = form("number")
    for written in (f"{n}", f"{n:,}", f"${n:,}".replace("$-", "-$"), f"**{n}**", f"\\boxed{{{n}}}"):
        assert number.extract(f"So it goes.\nAnswer: {written}") == n
        assert number.extract(f"The answer is {written}.") == n


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200))
def test_floats_read_back_to_the_last_bit(x):
    found = form("number").extract(f"Answer: {x!r}")
    assert float(found) == x


@given(st.integers(-999, 999), st.integers(1, 999))
def test_fractions_are_their_quotient(a, b):
    number = form("number")
    assert number.extract(f"Answer: {a}/{b}") == float(Fraction(a, b))
    if a >= 0:
        assert number.extract(f"Answer: \\frac{{{a}}}{{{b}}}") == a / b


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_two_numbers_are_no_answer_unless_equal(a, b):
    for joined in (f"{a} or {b}", f"{a} and {b}", f"either {a} or {b}"):
        assert form("number").extract(f"Answer: {joined}") == (a if a == b else None)


@given(st.sampled_from("ABCDEFGHIJ"), st.sampled_from("ABCDEFGHIJ"))
def test_letters_in_every_frame_and_never_two(a, b):
    letter = form("letter")
    for frame in (
        "{}",
        "({})",
        "Answer: {}",
        "The answer is {}.",
        "\\boxed{{{}}}",
        "**{}**",
        "{}.",
    ):
        assert letter.extract(frame.format(a)) == a
        assert letter.extract(f"Some thoughts on ({b}).\n\n{frame.format(a)}") == a
    for joined in (f"{a} or {b}", f"{a}/{b}", f"({a}), ({b})", f"{a} and {b}"):
        assert letter.extract(f"Answer: {joined}") is None


def test_letters_end_where_the_options_end():
    assert form("letter", options=4).extract("Answer: D") == "D"
    assert form("letter", options=4).extract("Answer: E") is None
    assert form("letter", options=26).extract("Answer: Z") == "Z"


def test_a_percentage_is_a_unit_or_a_share():
    assert form("number").extract("Answer: 50%") == 50
    assert form("number", percent="share").extract("Answer: 50%") == 0.5


def test_numbers_are_the_same_within_a_tolerance():
    number = form("number")
    assert number.same(1 / 3, 0.3333333)
    assert not number.same(1 / 3, 0.33)
    assert form("number", tolerance=0.05).same(1 / 3, 0.33)
    assert not number.same(None, None)
    assert not number.same(10**400, 10**400 + 1)


def test_groups_name_the_first_of_the_same():
    number = form("number")
    third = 1 / 3
    assert number.groups([third, 2, None, 0.33333333, 2.0]) == [third, 2, None, third, 2]
    assert form("letter").groups(["A", "B", "A"]) == ["A", "B", "A"]


def test_programs_are_the_same_by_what_they_do():
    by_text, by_length = form("code"), form("code", behaviour=len)
    assert not by_text.same("x = 1", "y = 1")
    assert by_length.same("x = 1", "y = 1")
    assert by_length.groups(["x = 1", "y = 1", "x = 10"]) == ["x = 1", "x = 1", "x = 10"]


def test_instructions_are_one_sentence_and_followed_replies_are_read():
    said = {"number": "7", "letter": "C", "text": "seven", "choice: Yes | No": "no"}
    for name in (*(f for f in FORMS if f != "choice"), "choice: Yes | No"):
        own = form(name)
        assert isinstance(own, Form)
        assert own.name == name
        assert own.instruction.endswith(".")
        if name in said:
            assert own.extract(f"Thinking.\nAnswer: {said[name]}") is not None


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("nummber", {}, "did you mean 'number'"),
        ("number", {"percent": "half"}, "percent"),
        ("number", {"tolerance": math.nan}, "tolerance"),
        ("number", {"colour": 1}, "colour"),
        ("letter", {"options": 1}, "options"),
        ("text", {"limit": 0}, "limit"),
    ],
)
def test_a_wrong_form_is_a_typed_error(name, options, says):
    with pytest.raises(ParameterError, match=says):
        form(name, **options)


def test_where_an_answer_is_stated():
    assert stated("no announcement") is None
    assert stated("Answer: 5\nbecause").text == "5"
    assert stated("Answer: 5\nbecause").rest == "5\nbecause"
    assert stated("The answer is not 5").text is None
    assert [content for _, content in boxed(r"\boxed{a{b}c} and \boxed{d} and \boxed{e")] == [
        "a{b}c",
        "d",
    ]
    assert tagged("<answer>a</answer><answer>b</answer>") == "b"
    assert tagged("none") is None
    assert said_aloud("a <think>b</think> c") == "a  c"


def test_a_choice_reads_an_option_that_is_stated_and_no_other():
    own = form("choice", options=["Yes", "No", "No idea"])
    assert own.name == "choice: Yes | No | No idea"
    assert form(own.name).options == own.options
    read = {
        "Yes": "Yes",
        "**no**.": "No",
        "no idea": "No idea",
        "Answer: yes, since it rains": "Yes",
        "I think so.\nAnswer: No": "No",
        "<answer>No idea</answer>": "No idea",
        "Yes or no": None,
        "Yesterday": None,
        "I would say yes": None,
        "It depends.\nYes": None,
        "The answer is not yes.": None,
        "": None,
    }
    assert {text: own.extract(text) for text in read} == read
    assert all(own.extract(option) == option for option in own.options)


@pytest.mark.parametrize("options", [[], ["Yes"], ["Yes", "yes."], ["a|b", "c"], ["", "x"], "Yes"])
def test_options_that_cannot_be_told_apart_are_refused(options):
    with pytest.raises(ParameterError, match="different options"):
        form("choice", options=options)
