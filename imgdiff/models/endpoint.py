"""The mllm and the llm role by a server; see `imgdiff.models.chat_client`."""

import base64
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from imgdiff.data.images import encode_png
from imgdiff.errors import RowError
from imgdiff.models.asking import LEAST_SURE, AskingProfile
from imgdiff.models.chat_client import ChatClient, Reply
from imgdiff.models.roles import Question
from imgdiff.text.answers import read_yes_no

ONE_TOKEN = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20}
WORD_TOKENS = 5  # that yes or no needs, with quotes or a blank before it


def user_message(text: str, pictures: Sequence[np.ndarray] = ()) -> list[dict[str, Any]]:
    """A conversation of one question, with pictures ([H, W, 3] uint8 RGB) as data URLs."""
    shown = [{"type": "image_url", "image_url": {"url": _data_url(each)}} for each in pictures]
    return [{"role": "user", "content": [*shown, {"type": "text", "text": text}]}]


def _data_url(picture: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(picture)['bytes']).decode()}"


class EndpointMllm:
    """The mllm role by endpoint; the same answers as the local one.

    Args:
        profile: of the family of the model that answers.
    """

    def __init__(self, client: ChatClient, profile: AskingProfile) -> None:
        self._client, self.profile = client, profile

    def answer(self, questions: Sequence[Question], max_new_tokens: int) -> list[str]:
        """One answer for each question."""
        asked = [self._message(question) for question in questions]
        return self._client.ask(asked, max_tokens=max_new_tokens, temperature=0.0)

    def yes_probability(self, questions: Sequence[Question]) -> np.ndarray:
        """[N] float32 in [0, 1]: how likely an answer begins with yes, of those that begin with yes
        or no; NaN where it is likelier to begin with something else. Where a server does not tell
        its tokens' probabilities, 1 where the answer is yes, 0 for no, NaN for neither."""
        asked = [self._message(question) for question in questions]
        try:
            told = self._client.ask(asked, yes_and_no, temperature=0.0, **ONE_TOKEN)
        except RowError as error:
            if error.code != "endpoint_refused":
                raise
            told = ["null"] * len(asked)  # it may have refused to tell them
        found = [_sure(json.loads(chances)) for chances in told]
        silent = [place for place, chance in enumerate(found) if chance is None]
        words = self.answer([questions[place] for place in silent], WORD_TOKENS)
        for place, text in zip(silent, words, strict=True):
            yes = read_yes_no(text)
            found[place] = np.nan if yes is None else float(yes)
        return np.array(found, np.float32)

    def _message(self, question: Question) -> list[dict[str, Any]]:
        prepared = self.profile.prepared(question)
        return user_message(prepared.text, prepared.pictures)


def _sure(chances: dict[str, float] | None) -> float | None:
    """Yes against no; NaN where neither is likely, None where nothing is known."""
    if chances is None:
        return None
    both = chances["yes"] + chances["no"]
    return chances["yes"] / both if both >= LEAST_SURE else np.nan


class EndpointLlm:
    """The llm role by endpoint; the same `answer` as the local one."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client

    def answer(
        self,
        questions: Sequence[str],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float,
    ) -> list[str]:
        """One answer for each question; what is drawn at random comes from the seed beside it."""
        asked = [user_message(question) for question in questions]
        return self._client.ask(
            asked, max_tokens=max_new_tokens, temperature=temperature, seed=list(seeds)
        )


def yes_and_no(reply: Reply) -> str:
    """The probabilities that an answer's first word is yes or no, as JSON; null where the server
    gives none."""
    logprobs = reply["choices"][0].get("logprobs") or {}
    if not logprobs.get("content"):
        return "null"
    first = logprobs["content"][0]
    chances = {"yes": 0.0, "no": 0.0}
    for each in first.get("top_logprobs") or [first]:
        word = each["token"].strip().lstrip("\u2581\u0120").lower()  # marks of a blank before it
        if word in chances:
            chances[word] += math.exp(min(each["logprob"], 0.0))
    return json.dumps(chances)
