"""Conversations with an OpenAI-compatible server (vLLM, SGLang, Ollama): questions out, answers in.

Answers are kept by the hash of all that was sent, so that a batch that is done again pays for
nothing twice.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from imgdiff.data.readers.base import utf8
from imgdiff.errors import RowError, StoppedError
from imgdiff.models.families import Family
from imgdiff.models.http import MOST_BYTES, TimelyClient, TooMuchError
from imgdiff.models.threads import in_threads
from imgdiff.models.zoo import Endpoint
from imgdiff.store.interface import Store, content_of
from imgdiff.text.answers import THINKS, without_thoughts

ANSWERS = "answers"  # how the names begin under which answers are kept
LONGEST_WAIT = 30.0  # seconds between two tries
LONGEST_REASON = 200  # characters of what a server says that is no answer
LONGEST_ANSWER = 100_000  # characters; no operator asks for a tenth of that
SHORTEST_SECRET = 8  # characters; servers of one's own often take EMPTY or none as a key
# what reading an answer of another form raises; one in a thousand brackets: RecursionError
NO_COMPLETION = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
)
# servers take what is not said from a model's own generation_config.json
SAMPLING = {"top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0}
NOT_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}

Reply = dict[str, Any]


class PassingError(Exception):
    """Another try may help. If none does, the row fails with this code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ServerUnreachableError(Exception):
    """Nobody answered: the server may be starting again."""


class ChatClient:
    """Asks a server, several questions at a time.

    Args:
        endpoint: see there.
        family: of the model that answers.
        answers: where they are kept; None keeps none.

    Raises:
        StoppedError: what is set as the key cannot be sent.
    """

    def __init__(self, endpoint: Endpoint, family: Family, answers: Store | None) -> None:
        self.endpoint, self._answers = endpoint, answers
        self._always = SAMPLING | (NOT_THINKING if family.thinks else {})
        self._url = completions_url(endpoint.base_url)
        self._key = endpoint.key or ""
        if not (self._key.isascii() and self._key.isprintable()):
            raise StoppedError(f"{endpoint.key_variable} holds characters that no key has")
        self._client = TimelyClient(endpoint.timeout_s)

    def ask(
        self,
        conversations: Sequence[list[dict[str, Any]]],
        read: Callable[[Reply], str] | None = None,
        **settings: Any,
    ) -> list[str]:
        """One answer for each conversation (messages of role and content).

        Args:
            read: makes an answer of a reply; by default the text, without thoughts.
            settings: `max_tokens`, `temperature`, or a list of `seed`s, one for each.

        Raises:
            StoppedError: the server cannot be reached, as often as it was tried, or refuses the
                key.
            RowError: a question got no usable answer, as often as it was asked.
        """
        seeds = settings.pop("seed", [None] * len(conversations))
        requests = [
            self._request(messages, settings | ({} if seed is None else {"seed": seed}))
            for messages, seed in zip(conversations, seeds, strict=True)
        ]
        answer = partial(self._answer, read or answer_text)
        return in_threads(answer, requests, self.endpoint.concurrent_requests)

    def _request(self, messages: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, Any]:
        """What is sent, the binding's `extra_body` above all else: null leaves a field out."""
        made = {"model": self.endpoint.model, "messages": messages, **self._always, **settings}
        for name, value in self.endpoint.extra_body.items():
            known = made.get(name)
            if isinstance(value, dict) and isinstance(known, dict):
                value = known | value
            made[name] = value
        return {name: value for name, value in made.items() if value is not None}

    def _answer(self, read: Callable[[Reply], str], request: dict[str, Any]) -> str:
        text = json.dumps(request, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(f"{self.endpoint.base_url}\n{text}".encode()).hexdigest()
        name = f"{ANSWERS}/{digest[:2]}/{digest}.txt"
        kept = content_of(self._answers, name) if self._answers else None
        if kept is not None:
            return kept.decode()
        answer = self._try(json.dumps(request).encode(), read)
        if self._answers:
            self._answers.put(name, answer.encode())
        return answer

    def _try(self, content: bytes, read: Callable[[Reply], str]) -> str:
        tries = Retrying(
            stop=stop_after_attempt(self.endpoint.tries),
            wait=wait_exponential_jitter(multiplier=0.5, max=LONGEST_WAIT),
            retry=retry_if_exception_type((PassingError, ServerUnreachableError)),
            reraise=True,
        )
        try:
            return tries(self._once, content, read)
        except PassingError as error:
            raise RowError(error.code, str(error)) from None
        except ServerUnreachableError as error:  # no row's fault
            raise StoppedError(str(error)) from None

    def _once(self, content: bytes, read: Callable[[Reply], str]) -> str:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            status, body = self._client.post(self._url, content, headers)
        except TimeoutError:
            text = f"no answer in {self.endpoint.timeout_s:g} s"
            raise PassingError("endpoint_slow", text) from None
        except TooMuchError:
            text = f"an answer of more than {MOST_BYTES // 2**20} MB"
            raise PassingError("endpoint_error", text) from None
        except ConnectionError as error:
            text = f"{self.endpoint.name} cannot be reached ({error})"
            raise ServerUnreachableError(text) from None
        if status != 200:
            self._raise_for(status, body)
        try:
            answer = read(json.loads(body))
        except NO_COMPLETION as error:
            text = f"no chat completion ({type(error).__name__}): {self._quoted(body)}"
            raise PassingError("endpoint_error", text) from None
        if answer != utf8(answer):
            raise PassingError("endpoint_error", f"no text in the answer: {self._quoted(body)}")
        if len(answer) > LONGEST_ANSWER:
            text = f"an answer of {len(answer):,} characters: {self._quoted(answer.encode())}"
            raise PassingError("endpoint_error", text)
        return self._without_key(answer)

    def _raise_for(self, status: int, body: bytes) -> None:
        where = f"{self.endpoint.name} says {status}"
        if status in (401, 403, 404):
            raise StoppedError(f"{where}. {self.endpoint.key_note}")
        if 300 <= status < 400:
            raise StoppedError(f"{where}: it sends on to another address, which is not followed")
        text = f"HTTP {status}{self._reason(body)}"
        if status < 500 and status not in (408, 409, 425, 429):
            raise RowError("endpoint_refused", text)  # it would be refused again
        raise PassingError("endpoint_error", text)

    def _reason(self, body: bytes) -> str:
        """What the server says of a request that it did not answer, as `: words`; never the key."""
        try:
            reply = json.loads(body)
            error = reply.get("error") or reply.get("detail") or ""
            words = " ".join(str(error["message"] if isinstance(error, dict) else error).split())
        except NO_COMPLETION:
            return ""
        return f": {self._quoted(words.encode(errors='surrogatepass'))}" if words else ""

    def _quoted(self, content: bytes) -> str:
        """The beginning of what a server sent, in one line."""
        text = self._without_key(content.decode(errors="backslashreplace"))
        return " ".join(text[: 2 * LONGEST_REASON].split())[:LONGEST_REASON]

    def _without_key(self, text: str) -> str:
        """Servers and proxies may say a key back, and what they say is stored."""
        return text.replace(self._key, "***") if len(self._key) >= SHORTEST_SECRET else text


def completions_url(base_url: str) -> str:
    """Where chats are completed: `/v1` may be left out, or all of it be given."""
    url = base_url.rstrip("/")
    if url.endswith("/chat/completions"):
        return url
    version = "" if re.search(r"/v\d+$", url) else "/v1"
    return f"{url}{version}/chat/completions"


def answer_text(reply: Reply) -> str:
    """The text of a reply.

    Raises:
        RowError: it holds thoughts alone.
    """
    message = reply["choices"][0]["message"]
    text = message["content"]
    if not text and (message.get("reasoning_content") or message.get("reasoning")):
        text = THINKS
    return without_thoughts(text)
