"""Models behind an OpenAI-compatible server (vLLM, SGLang, Ollama): questions out, answers in.

Answers are kept by the hash of what was asked, so that a batch that is done again pays for nothing
twice.
"""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from imgdiff.data.images import encode_png
from imgdiff.data.readers.base import utf8
from imgdiff.errors import RowError, StoppedError
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Endpoint
from imgdiff.store.interface import Store, content_of
from imgdiff.text.answers import read_yes_no

ANSWERS = "answers"  # how the names begin under which answers are kept
LONGEST_WAIT = 30.0  # seconds between two tries
# what reading an answer of another form raises; one in a thousand brackets: RecursionError
NO_COMPLETION = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
WORD_TOKENS = 5  # that yes or no needs, with quotes or a blank before it


class UnfitAnswerError(Exception):
    """The server answered, but not what was asked for; another try may help."""


class ServerUnreachableError(Exception):
    """Nobody answered: the server may be starting again."""


class ChatClient:
    """Asks a server, several questions at a time.

    Args:
        endpoint: see there.
        answers: where they are kept; None keeps none.
    """

    def __init__(self, endpoint: Endpoint, answers: Store | None) -> None:
        from huggingface_hub import InferenceClient

        self.endpoint, self._answers = endpoint, answers
        self._client = InferenceClient(
            base_url=endpoint.base_url,
            # the client insists on a key of some kind
            api_key=os.environ.get(endpoint.key_variable) or "none",
            timeout=endpoint.timeout_s,
        )

    def ask(self, conversations: Sequence[list[dict[str, Any]]], **settings: Any) -> list[str]:
        """One answer for each conversation (messages of role and content).

        Args:
            settings: `max_tokens`, `temperature`, or a list of `seed`s, one for each.

        Raises:
            StoppedError: the server cannot be reached, as often as it was tried, or refuses the
                key.
            RowError: a question got no usable answer, as often as it was asked.
        """
        seeds = settings.pop("seed", [None] * len(conversations))
        requests = [
            {"model": self.endpoint.model, "messages": messages, **settings}
            | ({} if seed is None else {"seed": seed})
            for messages, seed in zip(conversations, seeds, strict=True)
        ]
        with ThreadPoolExecutor(self.endpoint.concurrent_requests) as pool:
            return list(pool.map(self._answer, requests))

    def _answer(self, request: dict[str, Any]) -> str:
        text = json.dumps(request, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"{self.endpoint.base_url}\n{text}".encode()).hexdigest()
        name = f"{ANSWERS}/{digest[:2]}/{digest}.txt"
        kept = content_of(self._answers, name) if self._answers else None
        if kept is not None:
            return kept.decode()
        answer = self._try(request)
        if self._answers:
            self._answers.put(name, answer.encode())
        return answer

    def _try(self, request: dict[str, Any]) -> str:
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

        passing = (HfHubHTTPError, InferenceTimeoutError, UnfitAnswerError, ServerUnreachableError)
        tries = Retrying(
            stop=stop_after_attempt(self.endpoint.tries),
            wait=wait_exponential_jitter(multiplier=0.5, max=LONGEST_WAIT),
            retry=retry_if_exception_type(passing),
            reraise=True,
        )
        try:
            return tries(self._once, request)
        except InferenceTimeoutError:
            raise RowError("endpoint_slow", f"no answer in {self.endpoint.timeout_s:g} s") from None
        except HfHubHTTPError as error:
            raise RowError("endpoint_error", f"HTTP {error.response.status_code}") from None
        except UnfitAnswerError as error:
            raise RowError("endpoint_error", str(error)) from None
        except ServerUnreachableError as error:  # no row's fault
            raise StoppedError(str(error)) from None

    def _once(self, request: dict[str, Any]) -> str:
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

        try:
            reply = self._client.chat_completion(**request)
            answer = reply.choices[0].message.content
        except InferenceTimeoutError:
            raise
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403, 404):
                where = f"{self.endpoint.name} says {status}"
                raise StoppedError(f"{where}. Is {self.endpoint.key_variable} set?") from None
            if status < 500 and status not in (408, 409, 425, 429):
                # the same question would get the same answer
                raise RowError("endpoint_refused", f"HTTP {status}") from None
            raise
        except NO_COMPLETION as error:
            raise UnfitAnswerError(f"no chat completion ({type(error).__name__})") from None
        except Exception as error:  # no connection: which error depends on the HTTP library
            text = f"{self.endpoint.name} cannot be reached ({type(error).__name__})"
            raise ServerUnreachableError(text) from None
        if not isinstance(answer, str) or answer != utf8(answer):
            raise UnfitAnswerError("no text in the answer")
        return answer.strip()


def user_message(text: str, pictures: Sequence[np.ndarray] = ()) -> list[dict[str, Any]]:
    """A conversation of one question, with pictures ([H, W, 3] uint8 RGB) as data URLs."""
    shown = [{"type": "image_url", "image_url": {"url": _data_url(each)}} for each in pictures]
    return [{"role": "user", "content": [*shown, {"type": "text", "text": text}]}]


def _data_url(picture: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(picture)['bytes']).decode()}"


class EndpointMllm:
    """The mllm role by endpoint; the same `answer` as the local one."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client

    def answer(self, questions: Sequence[Question], max_new_tokens: int) -> list[str]:
        """One answer for each question."""
        asked = [user_message(question.text, question.pictures) for question in questions]
        return self._client.ask(asked, max_tokens=max_new_tokens, temperature=0.0)

    def yes_probability(self, questions: Sequence[Question]) -> np.ndarray:
        """[N] float32: 1 where the answer is yes, 0 for no, NaN for neither. What a server makes of
        a token's probability differs from one to the next, so the word alone counts."""
        said = [read_yes_no(text) for text in self.answer(questions, WORD_TOKENS)]
        return np.array([np.nan if yes is None else yes for yes in said], np.float32)


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
