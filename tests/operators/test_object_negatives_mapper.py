"""object_negatives_mapper: captions that fit an image worse than its own does."""

import json

import pytest

from imgdiff.errors import RefusedError
from imgdiff.operators.object_negatives.object_negatives_mapper import ObjectNegativesMapper
from imgdiff.testing import make_row, run_operator
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.negatives import FAMILIES, INSERTED
from imgdiff.text.objects import named_objects

TOYLAND = load_lexicon("toyland")
# fourteen kinds of things, the house beside the car twice
SHOWN = [
    ["car", "house"],
    ["car", "house", "tree"],
    ["boat", "fish"],
    ["rocket", "flower"],
    ["mushroom", "tent"],
    ["duck", "mug"],
    ["teapot", "ball"],
]
CAPTION = "a red car next to a white house on the sand"


def rows_of(*given, shown=SHOWN):
    """The rows given as (caption, objects), and others that only count."""
    others = [("a sunny day", objects) for objects in shown]
    return [
        make_row(f"row-{k}", caption_a=caption, objects=objects)
        for k, (caption, objects) in enumerate([*given, *others])
    ]


def negatives_of(models, caption=CAPTION, objects=("car", "house"), **params):
    models.token_limit = params.pop("token_limit", 77)
    rows = rows_of((caption, list(objects)))
    rows = run_operator(ObjectNegativesMapper, rows, models, lexicon="toyland", **params)
    return rows[0]


def captions(row, *families):
    return [n["caption"] for n in row["negatives"] if n["family"] in (families or FAMILIES)]


def test_a_row_gets_27_captions_with_family_and_objects(models):
    row = negatives_of(models)
    assert row.ok
    assert [len(captions(row, family)) for family in INSERTED] == [7, 7, 7]
    assert captions(row, "remove") == ["a white house on the sand", "a red car on the sand"]
    assert len({*captions(row), CAPTION}) == 28
    for negative in row["negatives"]:
        assert set(negative) == {"caption", "family", "objects"}
        assert all(negative["objects"])


def test_alterations_beside_the_27_are_as_long_as_the_caption(models):
    usual, more = (negatives_of(models, alterations=count) for count in (0, 5))
    before, after = captions(usual), captions(more)
    assert len(set(after) - {CAPTION}) == len(before) + 5
    assert {len(text.split()) for text in captions(more, "alter")} == {len(CAPTION.split())}


def test_alterations_make_a_thing_another_one_of_any_kind(models):
    row = negatives_of(models, alterations=18)
    groups = {thing[0]: name for name, group in TOYLAND.groups.items() for thing in group.things}
    own = set(named_objects(CAPTION, TOYLAND))
    new = {
        (was, name)
        for text in captions(row, "alter")
        if len(after := set(named_objects(text, TOYLAND))) == len(own)
        for was in own - after
        for name in after - own
    }
    assert {groups[was] == groups[name] for was, name in new} == {True, False}
    assert {was for was, _ in new} == own


def test_choice_depends_on_the_row_alone(models):
    models.token_limit = 77
    given = [(CAPTION, ["car", "house"])] * 6
    together, alone = (
        run_operator(
            ObjectNegativesMapper, rows_of(*given), models, batch_size=size, lexicon="toyland"
        )
        for size in (13, 1)
    )
    assert together == alone
    assert len({tuple(captions(row)) for row in together[:6]}) == 6


REFUSALS = [
    ({"objects": ()}, "no_objects", "nothing is known that the image shows"),
    ({"token_limit": 9}, "caption_too_long", "caption has 11 tokens, the CLIP reads 9"),
    (
        {"objects": ("car", "house", "mug", "ball", "tent", "duck", "boat")},
        "too_few_absent_objects",
        "6 objects of the statistics are absent, wanted 9",
    ),
]


@pytest.mark.parametrize(("given", "code", "message"), REFUSALS)
def test_refused_rows(models, given, code, message):
    row = negatives_of(models, **given)
    assert (row.status, row.reason) == ("rejected", f"object_negatives_mapper: {code}")
    assert row.message == message
    assert "negatives" not in row.values


def test_a_caption_may_be_as_long_as_the_clip_reads(models):
    assert (
        negatives_of(models, token_limit=11).reason != "object_negatives_mapper: caption_too_long"
    )


def test_captions_too_long_for_the_clip_are_left_out(models):
    row = negatives_of(models, token_limit=14)
    assert row.ok
    assert 0 < len(row["negatives"]) < 27
    assert all(len(caption.split()) <= 14 for caption in captions(row))


def test_objects_of_the_caption_where_there_is_no_annotation(models):
    row = negatives_of(models, objects=(), object_source="caption")
    assert row["objects"] == ["car", "house"]
    assert len(row["negatives"]) == 27
    operator = ObjectNegativesMapper(ObjectNegativesMapper.Params(object_source="caption"))
    assert (operator.reads, operator.writes) == (("caption_a",), ("objects", "negatives"))


def test_what_the_caption_names_is_there_whatever_the_annotation_says(models):
    row = negatives_of(models, objects=["car"])
    for negative in row["negatives"]:
        if negative["family"] in INSERTED:
            assert "house" not in negative["objects"]


def test_statistics_are_counted_over_the_whole_input(models):
    row = negatives_of(models, objects=["car"], caption="a red car on the sand")
    (adversarial,) = [n for n in row["negatives"] if n["family"] == "adversarial"][:1]
    assert adversarial["objects"] == ["house"]


def test_rows_without_objects_count_by_their_captions():
    operator = ObjectNegativesMapper(ObjectNegativesMapper.Params())
    rows = [make_row("a", caption_a="a red car"), make_row("b", objects=["boat"]), make_row("c")]
    found = operator.survey(rows)
    assert found["frequency"] == {"boat": 1, "car": 1}


def test_statistics_may_be_given(models, tmp_path):
    names = ["fish", *(f"frob{k}" for k in range(9))]
    path = tmp_path / "statistics.json"
    content = {"images": 9, "frequency": dict.fromkeys(names, 1), "together": {"car": {"fish": 1}}}
    path.write_text(json.dumps(content))
    row = negatives_of(models, statistics=str(path))
    drawn = {name for n in row["negatives"] if n["family"] in INSERTED for name in n["objects"]}
    assert "fish" in drawn
    assert drawn <= set(names)


def test_statistics_that_cannot_be_had_are_refused_before_any_work():
    operator = ObjectNegativesMapper(ObjectNegativesMapper.Params())
    with pytest.raises(RefusedError, match=r"no row of the input has objects.*Give statistics"):
        operator.survey([make_row(caption_a="a sunny day")])
    operator = ObjectNegativesMapper(ObjectNegativesMapper.Params(statistics="nowhere.json"))
    with pytest.raises(RefusedError, match=r"nowhere.json: No such file"):
        operator.survey([])


class Writer:
    """Follows its orders by adding words, forgets one family, and says `Sure!` first."""

    def __init__(self, bad=""):
        self.bad, self.calls = bad, []

    def answer(self, questions, seeds, max_new_tokens, temperature):
        self.calls.append((questions, seeds))
        return [self._say(question) for question in questions]

    def _say(self, question):
        caption = question.rpartition("Caption: ")[2]
        if self.bad and self.bad in question:
            return "Sure! Here it is: a caption"
        if "also names all of these: " in question:
            objects = question.partition("also names all of these: ")[2].partition(".")[0]
            return f'"{caption} with {" and ".join(f"a {o}" for o in objects.split(", "))}"'
        if "no longer names" in question:
            return "a red car" if "these: house" in question else "a white house"
        return caption.replace("red", "blue")


def ask(models, writer, **params):
    models.llm = lambda: writer
    return negatives_of(models, strategy="llm", **params)


def test_a_language_model_writes_them(models):
    writer = Writer()
    row = ask(models, writer)
    assert [len(captions(row, family)) for family in INSERTED] == [7, 7, 7]
    assert captions(row, "remove") == ["a white house", "a red car"]
    assert captions(row, "alter") == [CAPTION.replace("red", "blue")]  # the same one four times
    (first, seeds), (again, others) = writer.calls[0], writer.calls[1]
    mine = [k for k, question in enumerate(first) if CAPTION in question]
    assert len(mine) == 27
    assert len({seeds[k] for k in mine}) == 27
    assert set(others).isdisjoint(seeds)
    assert all("says something that is not true" in q for q in again if CAPTION in q)


def test_answers_that_are_no_captions_are_left_out(models):
    row = ask(models, Writer(bad="no longer names"))
    assert captions(row, "remove") == []
    assert len(captions(row)) == 22


def test_a_row_without_an_answer_is_rejected(models):
    row = ask(models, Writer(bad="Here is the caption"), tries=1)
    assert row.reason == "object_negatives_mapper: no_negatives"
    assert row.message == "none of 0 captions written could be used"


def test_alterations_are_written_by_rules_alone():
    with pytest.raises(ValueError, match="alterations are written by rules alone"):
        ObjectNegativesMapper.Params(strategy="llm", alterations=2)


def test_the_language_model_is_needed_by_its_strategy_alone():
    params = ObjectNegativesMapper.Params
    assert ObjectNegativesMapper(params()).roles == ("clip",)
    assert ObjectNegativesMapper(params(strategy="llm")).roles == ("clip", "llm")
