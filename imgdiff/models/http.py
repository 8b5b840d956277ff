"""Requests to model servers, each of which is answered in time or not at all."""

import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any

CONNECT_SECONDS = 10.0  # after which nobody is there
MOST_BYTES = 4 * 2**20  # of one reply; the longest answer of a model has less than one million
# without it a few bytes could be unpacked to many
PLAIN = {"Accept-Encoding": "identity"}


class TooMuchError(Exception):
    """A reply of more than MOST_BYTES."""


class TimelyClient:
    """Posts to a server, from several threads at once if need be.

    The time-out of an HTTP library is one for each read, so that a server which sends a byte now
    and then is waited for without end. Here the whole reply has to be there in time. Redirects are
    not followed, and of a reply no more than MOST_BYTES are taken, as they are sent.

    Args:
        seconds: for one reply, from the first byte that is sent.
    """

    def __init__(self, seconds: float) -> None:
        import httpx

        self._seconds = seconds
        timeouts = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        unlimited = httpx.Limits(max_connections=None)
        self._client = httpx.Client(timeout=timeouts, limits=unlimited)

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the reply.

        Raises:
            TimeoutError: it was not there in time.
            TooMuchError: it has more than MOST_BYTES.
            ConnectionError: nobody answers, or the connection broke; the message names the kind of
                error.
        """
        replies: SimpleQueue[Any] = SimpleQueue()

        def exchange() -> None:
            try:
                replies.put(self._exchange(url, content, headers))
            except Exception as error:
                replies.put(error)

        # a thread that is given up ends by itself; the interpreter does not wait for it
        threading.Thread(target=exchange, daemon=True).start()
        try:
            reply = replies.get(timeout=self._seconds)
        except Empty:
            raise TimeoutError from None
        if isinstance(reply, Exception):
            raise reply
        status, body = reply
        return status, body

    def _exchange(self, url: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        import httpx

        ends, body = time.monotonic() + self._seconds, bytearray()
        try:
            all_headers = {**headers, **PLAIN}
            with self._client.stream("POST", url, content=content, headers=all_headers) as reply:
                for part in reply.iter_raw():
                    body += part
                    if time.monotonic() > ends:
                        raise TimeoutError
                    if len(body) > MOST_BYTES:
                        raise TooMuchError
                return reply.status_code, bytes(body)
        except httpx.ConnectTimeout as error:
            raise ConnectionError(type(error).__name__) from None
        except httpx.TimeoutException:
            raise TimeoutError from None
        except TimeoutError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ConnectionError(type(error).__name__) from None
