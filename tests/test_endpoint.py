"""Models by endpoint, against a server that speaks the protocol and misbehaves on demand."""

import base64
import io
import signal
import threading
import time

import numpy as np
import pytest
from chat_server import Server, completion
from PIL import Image

from imgdiff import run
from imgdiff.errors import RowError, StoppedError
from imgdiff.models import Models
from imgdiff.models.chat_client import ChatClient, completions_url
from imgdiff.models.endpoint import EndpointMllm, user_message
from imgdiff.models.http import MOST_BYTES
from imgdiff.models.kinds import family_of_server, problem
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Endpoint, bind
from imgdiff.operators.caption_pairs.caption_edit_mapper import CaptionEditMapper
from imgdiff.store.folder_store import FolderStore
from imgdiff.testing import make_row, run_operator


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("imgdiff.models.chat_client.LONGEST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def client(server, answers=None, **settings):
    endpoint = Endpoint(base_url=server.url, model="toy", **settings)
    return ChatClient(endpoint, family_of_server("mllm", endpoint), answers)


def mllm(server, **settings):
    asked = client(server, **settings)
    return EndpointMllm(asked, family_of_server("mllm", asked.endpoint).plays())


def ask(client, *texts):
    return client.ask([user_message(text) for text in texts], max_tokens=8, temperature=0.0)


def test_answers_come_in_order(server):
    texts = [f"question {k}" for k in range(20)]
    assert ask(client(server), *texts) == [f"echo: {text}" for text in texts]
    assert {body["model"] for body in server.asked} == {"toy"}
    assert {(body["max_tokens"], body["temperature"]) for body in server.asked} == {(8, 0.0)}


def test_as_many_at_once_as_it_says(server):
    server.seconds = 0.1  # threads begin late on a busy machine
    ask(client(server, concurrent_requests=3), *map(str, range(12)))
    assert server.most_at_once == 3


NESTED = b"[" * 100_000 + b"]" * 100_000
LARGE = b" " * (MOST_BYTES + 1)
LOOPING = completion("a car and " * 20_000)
NO_ANSWERS = [
    *(b"", b"garbage", b"\xff\xfe", NESTED, LARGE, LOOPING, b"null", b"1" * 10_000),
    *({}, {"choices": []}, {"choices": None}, {"choices": [{}]}),
    *(completion(None), completion(["a"]), completion({"text": "a"}), completion("\ud800")),
]


@pytest.mark.parametrize("step", [429, 500, 503, "hang up", *NO_ANSWERS])
def test_another_try_after(server, step):
    server.script = [step, step]
    assert ask(client(server), "x") == ["echo: x"]
    assert len(server.asked) == 3


def test_another_try_after_a_timeout(server):
    server.script = ["slow"]
    assert ask(client(server, timeout_s=0.3), "x") == ["echo: x"]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (500, "endpoint_error"),
        ("slow", "endpoint_slow"),
        *((step, "endpoint_error") for step in NO_ANSWERS),
    ],
)
def test_tries_are_bounded_and_the_row_fails(server, step, code):
    server.script = [step] * 3
    with pytest.raises(RowError) as error:
        ask(client(server, tries=3, timeout_s=0.3 if step == "slow" else 60), "x")
    assert error.value.code == code
    assert len(server.asked) == 3


def test_a_refused_question_is_not_asked_again(server):
    server.script = [400]
    with pytest.raises(RowError) as error:
        ask(client(server), "x")
    assert error.value.code == "endpoint_refused"
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_name_stops_the_run(server, status):
    server.script = [status]
    with pytest.raises(
        StoppedError, match=f"toy at http.* says {status}. OPENAI_API_KEY is not set"
    ):
        ask(client(server), "x")


def test_no_server_stops_the_run():
    nowhere = Endpoint(base_url="http://127.0.0.1:9/v1", model="toy")
    with pytest.raises(StoppedError, match=r"toy at http://127\.0\.0\.1:9/v1 cannot be reached"):
        ask(ChatClient(nowhere, family_of_server("llm", nowhere), None), "x")


def test_key_comes_from_the_environment_and_goes_nowhere_else(server, monkeypatch, tmp_path):
    monkeypatch.setenv("MY_API_KEY", "secret-4711")
    ask(client(server, FolderStore(tmp_path), key_variable="MY_API_KEY"), "x")
    assert server.keys == ["Bearer secret-4711"]
    assert not any("secret-4711" in p.read_text() for p in tmp_path.rglob("*") if p.is_file())


def test_an_echo_of_the_key_is_not_stored(server, monkeypatch, tmp_path):
    monkeypatch.setenv("MY_API_KEY", "secret-4711")
    server.script = [completion("you said secret-4711"), {"secret-4711": 1}]
    asked = client(server, FolderStore(tmp_path), key_variable="MY_API_KEY", tries=1)
    assert ask(asked, "x") == ["you said ***"]
    with pytest.raises(RowError, match=r'no chat completion \(KeyError\): \{"\*\*\*": 1\}'):
        ask(asked, "y")
    assert not any("secret-4711" in p.read_text() for p in tmp_path.rglob("*") if p.is_file())


def test_a_key_that_is_a_common_word_is_no_secret(server, monkeypatch):
    """A vLLM of one's own takes any."""
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    server.script = [completion("an EMPTY street")]
    assert ask(client(server), "x") == ["an EMPTY street"]
    assert server.keys == ["Bearer EMPTY"]


@pytest.mark.parametrize("key", ["clé-4711-4711", "a\nb"])
def test_a_key_that_cannot_be_sent_stops_the_run(server, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(StoppedError, match="OPENAI_API_KEY holds characters that no key has"):
        client(server)


def test_blanks_around_a_key_are_no_part_of_it(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", " secret-4711\n")
    ask(client(server), "x")
    assert server.keys == ["Bearer secret-4711"]


def test_nothing_is_unpacked(server):
    """A few bytes that unpack to gigabytes would fill the memory."""
    ask(client(server), "x")
    assert server.encodings == ["identity"]


def test_an_interruption_waits_for_no_answer(server):
    """The main thread is interrupted while several questions are asked; so is the second Ctrl-C."""
    server.usual, began = "drip", time.monotonic()
    asked, here = client(server, timeout_s=60), threading.get_ident()
    threading.Timer(0.3, signal.pthread_kill, [here, signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        ask(asked, *map(str, range(20)))
    assert time.monotonic() - began < 5
    assert len(server.asked) <= asked.endpoint.concurrent_requests


def test_answers_are_kept_by_what_was_asked(server, tmp_path):
    first = client(server, FolderStore(tmp_path))
    assert ask(first, "x", "y") == ask(client(server, FolderStore(tmp_path)), "x", "y")
    assert len(server.asked) == 2
    first.ask([user_message("x")], max_tokens=9, temperature=0.0)
    assert len(server.asked) == 3


def test_a_failed_batch_pays_for_its_good_questions_once(server, tmp_path):
    server.script = [400]
    with pytest.raises(RowError):
        ask(client(server, FolderStore(tmp_path), concurrent_requests=1), "bad", "good")
    before = len(server.asked)
    assert ask(client(server, FolderStore(tmp_path)), "good") == ["echo: good"]
    assert len(server.asked) <= before + 1
    assert ask(client(server, FolderStore(tmp_path)), "good") == ["echo: good"]
    assert len(server.asked) <= before + 1


def test_pictures_go_as_data_urls_without_loss(server):
    picture = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    answers = mllm(server).answer([Question((picture,), "what is it?")], max_new_tokens=5)
    assert answers == ["echo: what is it?"]
    (part, text) = server.asked[0]["messages"][0]["content"]
    assert text["text"] == "what is it?"
    np.testing.assert_array_equal(decoded(part), picture)


@pytest.mark.parametrize("how", ["drip", "drip headers"])
def test_an_answer_that_never_ends_is_not_waited_for(server, how):
    """A byte now and then keeps the time-out of any one read from running out."""
    server.script = [how]
    began = time.monotonic()
    with pytest.raises(RowError, match=r"no answer in 0\.5 s") as error:
        ask(client(server, tries=1, timeout_s=0.5), "x")
    assert error.value.code == "endpoint_slow"
    assert time.monotonic() - began < 1.5


def test_a_server_that_sends_elsewhere_is_not_followed(server):
    server.script = [307]
    with pytest.raises(StoppedError, match="says 307: it sends on to another address"):
        ask(client(server), "x")
    assert len(server.asked) == 1


def test_a_refusal_says_why_without_the_key(server, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "secret-4711")
    server.script = [(400, {"error": {"message": "no top_k here,\n secret-4711"}})]
    with pytest.raises(RowError, match=r"HTTP 400: no top_k here, \*\*\*$"):
        ask(client(server, key_variable="MY_API_KEY"), "x")


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h/api/v4", "http://h/api/v4/chat/completions"),
        ("http://h/x/chat/completions", "http://h/x/chat/completions"),
    ],
)
def test_address(base, url):
    assert completions_url(base) == url


class TestRequests:
    def test_all_sampling_is_said(self, server):
        """What is not said a server takes from the model's own settings."""
        ask(client(server), "x")
        said = {"temperature": 0.0, "top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0}
        assert server.asked[0].items() >= said.items()
        assert "chat_template_kwargs" not in server.asked[0]

    def test_a_family_that_thinks_is_told_not_to(self, server):
        ask(client(server, family="qwen3_5"), "x")
        assert server.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}

    def test_fields_of_the_recipe_stand_above_others(self, server):
        more = {"top_k": None, "top_p": 0.9, "chat_template_kwargs": {"a": 1}, "guided": [1]}
        ask(client(server, family="qwen3_5", extra_body=more), "x")
        body = server.asked[0]
        assert "top_k" not in body
        assert (body["top_p"], body["guided"]) == (0.9, [1])
        assert body["chat_template_kwargs"] == {"enable_thinking": False, "a": 1}

    def test_answers_are_kept_by_all_of_it(self, server, tmp_path):
        store = FolderStore(tmp_path)
        settings = [{}, {"family": "qwen3_5"}, {"extra_body": {"top_p": 0.5}}]
        for number, each in enumerate(settings * 2):
            ask(client(server, store, **each), "x")
            assert len(server.asked) == min(number + 1, len(settings))

    def test_two_pictures_in_order(self, server):
        pair = [np.full((30, 40, 3), level, np.uint8) for level in (10, 200)]
        asked = mllm(server, family="qwen3_vl")
        asked.answer([asked.profile.pair_question(pair, (5, 5, 20, 20), "x")], 9)
        *shown, text = server.asked[0]["messages"][0]["content"]
        assert text == {"type": "text", "text": "x"}
        levels = [np.array(decoded(part))[0, 0, 0] for part in shown]
        assert levels == [10, 200]

    def test_pictures_in_the_way_of_the_family(self, server):
        asked = mllm(server, family="llava")
        wide = np.full((30, 40, 3), 10, np.uint8)
        asked.answer([asked.profile.region_question(wide, (0, 0, 40, 30))], 9)
        part, text = server.asked[0]["messages"][0]["content"]
        assert text["text"].endswith("for this region: [0.00, 0.12, 1.00, 0.88].")
        assert decoded(part).size == (40, 40)
        assert decoded(part).getpixel((0, 0)) == (122, 116, 104)


def decoded(part):
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


class TestThoughts:
    def test_what_comes_behind_them_is_the_answer(self, server):
        server.script = [completion("<think>so</think> a cat"), completion("so</think>\na cat")]
        assert ask(client(server, concurrent_requests=1), "x", "y") == ["a cat"] * 2

    @pytest.mark.parametrize(
        "reply",
        [
            completion("<think>so"),
            completion("so</think> "),
            completion(None, reasoning_content="so"),
            completion("", reasoning="so"),
        ],
    )
    def test_alone_they_fail_the_row_at_once(self, server, reply, tmp_path):
        server.script = [reply]
        with pytest.raises(RowError) as error:
            ask(client(server, FolderStore(tmp_path)), "x")
        assert error.value.code == "only_thoughts"
        assert len(server.asked) == 1
        assert not list(tmp_path.rglob("*.txt"))


class TestYesAndNo:
    QUESTIONS = tuple(Question((np.zeros((4, 6, 3), np.uint8),), text) for text in "abc")

    def test_of_the_probabilities_of_the_first_token(self, server):
        server.script = [
            completion("Yes", logprobs={"Yes": 0.6, " no": 0.2, "Well": 0.1, "\u0120YES": 0.1}),
            completion("No", logprobs={"No": 0.8, "no": 0.2}),
            completion("Well", logprobs={"Well": 0.6, "Yes": 0.4}),
        ]
        found = mllm(server, concurrent_requests=1).yes_probability(self.QUESTIONS)
        np.testing.assert_allclose(found, [0.7 / 0.9, 0, np.nan], rtol=1e-6)
        for body in server.asked:
            assert body["max_tokens"] == 1
            assert (body["logprobs"], body["top_logprobs"]) == (True, 20)

    def test_yes_counts_one_and_no_counts_none_by_words_alone(self, server):
        words = ("**Yes**", "No, it is odd.", "Perhaps.")
        server.script = [completion(text) for text in words * 2]
        found = mllm(server, concurrent_requests=1).yes_probability(self.QUESTIONS)
        np.testing.assert_array_equal(found, [1, 0, np.nan])
        assert all(asked["temperature"] == 0 for asked in server.asked)

    def test_the_word_where_there_are_none(self, server):
        told = completion("Yes", logprobs={"Yes": 0.9, "No": 0.1})
        words = [completion(text) for text in ("**", "N", "**Yes**", "Perhaps.")]
        server.script = [told, *words]
        found = mllm(server, concurrent_requests=1).yes_probability(self.QUESTIONS)
        np.testing.assert_allclose(found, [0.9, 1, np.nan], rtol=1e-6)
        assert [body["max_tokens"] for body in server.asked] == [1, 1, 1, 5, 5]

    def test_odd_probabilities(self, server):
        odd = completion("Yes", logprobs={"Yes": 0.9})
        odd["choices"][0]["logprobs"]["content"][0]["top_logprobs"][0]["logprob"] = 1e9
        server.script = [odd]
        found = mllm(server, concurrent_requests=1).yes_probability(self.QUESTIONS[:1])
        np.testing.assert_array_equal(found, [1])

    def test_the_word_where_they_are_refused(self, server):
        server.script = [400, completion("No, it is odd.")]
        found = mllm(server, concurrent_requests=1).yes_probability(self.QUESTIONS[:1])
        np.testing.assert_array_equal(found, [0])
        assert all(body["temperature"] == 0 for body in server.asked)


@pytest.mark.parametrize(
    ("step", "code"),
    [(completion("<think>it is"), "only_thoughts"), ("drip", "endpoint_slow")],
    ids=["thoughts", "drip"],
)
def test_an_answer_without_end_costs_its_row_alone(project, server, step, code):
    """Through a whole run: one row fails, the others are captioned, without thoughts."""
    project.write_recipe(
        process=[
            {"light_edit_mapper": {"suffix": "and a cup"}},
            "light_image_mapper",
            "light_area_mapper",
            {"region_caption_mapper": {"batch_size": 1}},
        ],
        models={
            "mllm": {
                "base_url": server.url,
                "model": "toy",
                "family": "qwen3_5",
                "concurrent_requests": 1,
                "timeout_s": 0.5,
                "tries": 1,
            }
        },
        limit=3,
        shard_rows=3,
        limits={"max_failed_fraction": 0.9},
    )
    server.usual = completion("<think>it is</think>A cat.")
    server.script = [server.usual, step]  # first the doctor asks
    assert run.main(["mine.yaml"]) == run.COMPLETE
    failed, *others = project.rows()
    assert failed.reason == f"region_caption_mapper: {code}"
    for row in others:
        assert row.ok
        assert {region.caption_a for region in row.kept_regions} == {"A cat."}


class TestRecipe:
    def test_roles_that_answer_may_be_played_by_a_server(self):
        bound = bind({"mllm": {"base_url": "http://localhost:8000/v1", "model": "m"}})
        assert bound["mllm"].fingerprint() == "http://localhost:8000/v1#m"
        assert bound["mllm"].problem() is None

    @pytest.mark.parametrize(
        "url",
        [
            *("localhost:8000", "http://me:secret@host/v1", "file:///x", "http://"),
            *(
                "http://a\\.b/v1",
                "http://a/v1?to=b",
                "http://a/v1#b",
                "http://a:b/v1",
                "http://é/v1",
            ),
        ],
    )
    def test_address_must_be_plain_http(self, url):
        assert "is no http address" in Endpoint(base_url=url, model="m").problem()

    def test_the_family_must_be_one_of_the_role(self):
        bound = bind({"llm": {"base_url": "http://h/v1", "model": "m", "family": "llava"}})
        assert problem("llm", bound["llm"]).startswith("no family 'llava' for llm; there are: ")

    def test_the_way_of_asking_is_in_the_fingerprint(self):
        base = {"base_url": "http://h/v1", "model": "m"}
        ways = [base, base | {"family": "qwen3"}, base | {"extra_body": {"top_p": 0.5}}]
        prints = [bind({"llm": way})["llm"].fingerprint() for way in ways]
        assert prints[0] == "http://h/v1#m"
        assert len(set(prints)) == 3

    def test_what_json_cannot_hold_is_refused(self):
        fields = {"base_url": "http://h/v1", "model": "m", "extra_body": {"a": float("nan")}}
        with pytest.raises(ValueError, match=r"llm\.extra_body: .*not what JSON can hold"):
            bind({"llm": fields})

    @pytest.mark.parametrize("given", [5, ["a"], None, True, 1.5])
    @pytest.mark.parametrize("role", ["llm", "clip"])
    def test_what_is_no_mapping_is_refused(self, role, given):
        with pytest.raises(ValueError, match=f"{role}: expected a name, or settings"):
            bind({role: given})

    @pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "API_KEY", "_API_KEY\n"])
    def test_only_api_keys_may_be_named(self, name):
        fields = {"base_url": "http://h/v1", "model": "m", "key_variable": name}
        with pytest.raises(ValueError, match=r"(?s)llm\.key_variable: .* must end in _API_KEY"):
            bind({"llm": fields})

    @pytest.mark.parametrize("seconds", [float("inf"), 1e9, 0.0])
    def test_no_answer_takes_more_than_a_day(self, seconds):
        with pytest.raises(ValueError, match=r"llm\.timeout_s: "):
            bind({"llm": {"base_url": "http://h/v1", "model": "m", "timeout_s": seconds}})

    def test_other_roles_may_not(self):
        with pytest.raises(ValueError, match=r"clip\.name: Field required"):
            bind({"clip": {"base_url": "http://localhost:8000/v1", "model": "m"}})

    def test_there_is_no_embedded_llm(self):
        problem = bind({"llm": "embedded"})["llm"].problem()
        assert problem == "embedded is neither a folder nor a Hub name (owner/name)"

    def test_captions_are_edited_by_a_server(self, server, tmp_path):
        endpoint = Endpoint(base_url=server.url, model="toy")
        models = Models(bind("embedded") | {"llm": endpoint}, FolderStore(tmp_path))
        server.script = [
            completion("Sure, here is it:\na red boat on the sand"),
            completion('Caption: "a red boat on the sand"'),
        ]
        rows = [make_row(caption_a="a red car on the sand")]
        (row,) = run_operator(CaptionEditMapper, rows, models, strategy="llm")
        assert row["caption_b"] == "a red boat on the sand"
        assert row["edit"] == {"kind": "replace", "source": "car", "target": "boat"}
        first, second = server.asked
        assert first["seed"] != second["seed"]
        assert "a red car on the sand" in first["messages"][0]["content"][0]["text"]
