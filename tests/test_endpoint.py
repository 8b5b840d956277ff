"""Models by endpoint, against a server that speaks the protocol and misbehaves on demand."""

import base64
import io

import numpy as np
import pytest
from chat_server import Server, completion
from PIL import Image

from imgdiff.errors import RowError, StoppedError
from imgdiff.models import Models
from imgdiff.models.endpoint import ChatClient, EndpointMllm, user_message
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
    monkeypatch.setattr("imgdiff.models.endpoint.LONGEST_WAIT", 0.01)


def client(server, answers=None, **settings):
    return ChatClient(Endpoint(base_url=server.url, model="toy", **settings), answers)


def ask(client, *texts):
    return client.ask([user_message(text) for text in texts], max_tokens=8, temperature=0.0)


def test_answers_come_in_order(server):
    texts = [f"question {k}" for k in range(20)]
    assert ask(client(server), *texts) == [f"echo: {text}" for text in texts]
    assert {body["model"] for body in server.asked} == {"toy"}
    assert {(body["max_tokens"], body["temperature"]) for body in server.asked} == {(8, 0.0)}


def test_as_many_at_once_as_it_says(server):
    ask(client(server, concurrent_requests=3), *map(str, range(12)))
    assert server.most_at_once == 3


NESTED = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "step",
    [429, 500, 503, b"garbage", NESTED, {}, completion(None), completion("\ud800"), "hang up"],
)
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
        (b"garbage", "endpoint_error"),
        (NESTED, "endpoint_error"),
        (completion("\ud800"), "endpoint_error"),
        ("slow", "endpoint_slow"),
    ],
)
def test_tries_are_bounded_and_the_row_fails(server, step, code):
    server.script = [step] * 3
    with pytest.raises(RowError) as error:
        ask(client(server, tries=3, timeout_s=0.3), "x")
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
    with pytest.raises(StoppedError, match=f"toy at http.* says {status}. Is OPENAI_API_KEY set"):
        ask(client(server), "x")


def test_no_server_stops_the_run():
    nowhere = Endpoint(base_url="http://127.0.0.1:9/v1", model="toy")
    with pytest.raises(StoppedError, match=r"toy at http://127\.0\.0\.1:9/v1 cannot be reached"):
        ask(ChatClient(nowhere, None), "x")


def test_key_comes_from_the_environment_and_goes_nowhere_else(server, monkeypatch, tmp_path):
    monkeypatch.setenv("MY_KEY", "secret-4711")
    ask(client(server, FolderStore(tmp_path), key_variable="MY_KEY"), "x")
    assert server.keys == ["Bearer secret-4711"]
    assert not any("secret-4711" in p.read_text() for p in tmp_path.rglob("*") if p.is_file())


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
    asked = [Question((picture,), "what is it?")]
    answers = EndpointMllm(client(server)).answer(asked, max_new_tokens=5)
    assert answers == ["echo: what is it?"]
    (part, text) = server.asked[0]["messages"][0]["content"]
    assert text["text"] == "what is it?"
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(Image.open(io.BytesIO(base64.b64decode(data))), picture)


def test_yes_counts_one_and_no_counts_none(server):
    server.script = [completion(text) for text in ("**Yes**", "No, it is odd.", "Perhaps.")]
    picture = np.zeros((4, 6, 3), np.uint8)
    mllm = EndpointMllm(client(server, concurrent_requests=1))
    answers = mllm.yes_probability([Question((picture,), text) for text in ("a?", "b?", "c?")])
    np.testing.assert_array_equal(answers, [1, 0, np.nan])
    assert all(asked["temperature"] == 0 for asked in server.asked)


class TestRecipe:
    def test_roles_that_answer_may_be_played_by_a_server(self):
        bound = bind({"mllm": {"base_url": "http://localhost:8000/v1", "model": "m"}})
        assert bound["mllm"].fingerprint() == "http://localhost:8000/v1#m"
        assert bound["mllm"].problem() is None

    @pytest.mark.parametrize("url", ["localhost:8000", "http://me:secret@host/v1", "file:///x"])
    def test_address_must_be_plain_http(self, url):
        assert "is no http address" in Endpoint(base_url=url, model="m").problem()

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
