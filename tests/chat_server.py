"""A server that speaks the protocol of chat models, and misbehaves on demand."""

import json
import math
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POLL = 0.005  # seconds after which a shutdown is noticed; half a second by default


DRIP = 0.2  # seconds between two bytes


def completion(content, **more):
    """A reply. more: other fields of the message, or `logprobs`: token -> probability."""
    choice = {"index": 0}
    if chances := more.pop("logprobs", None):
        tops = [{"token": token, "logprob": math.log(p)} for token, p in chances.items()]
        choice["logprobs"] = {"content": [tops[0] | {"top_logprobs": tops}]}
    return {"choices": [choice | {"message": {"role": "assistant", "content": content} | more}]}


class Server:
    """Answers with the next of `script` (a status, a body, or a way to misbehave), then with what
    was asked.

    usual: a step once the script is at its end. asked: the bodies of all requests. keys, encodings:
    their Authorization and Accept-Encoding headers. seconds: that every answer takes.
    """

    def __init__(self, port=0):
        self.script, self.asked, self.keys, self.usual = [], [], [], None
        self.encodings = []
        self.seconds = 0.02
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True  # which holds a body back for 40 ms

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    server.asked.append(body)
                    server.keys.append(self.headers["Authorization"])
                    server.encodings.append(self.headers["Accept-Encoding"])
                    step = server.script.pop(0) if server.script else server.usual
                    server.at_once += 1
                    server.most_at_once = max(server.at_once, server.most_at_once)
                time.sleep(server.seconds)
                self.reply(step, body)
                with server.lock:
                    server.at_once -= 1

            def reply(self, step, body):
                if step == "hang up":
                    return
                if step in ("drip", "drip headers"):
                    self.drip(step == "drip headers")
                    return
                if step == "slow":
                    time.sleep(1.0)
                text = body["messages"][-1]["content"][-1]["text"]
                status, step = step if isinstance(step, tuple) else (step, step)
                status = status if isinstance(status, int) else 200
                if isinstance(step, int):
                    content = b'{"error": "no"}'
                elif isinstance(step, bytes):
                    content = step
                else:
                    content = json.dumps(step or completion(f" echo: {text} ")).encode()
                if isinstance(step, dict):
                    content = json.dumps(step).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                with suppress(OSError):  # whom it is too much hangs up
                    self.wfile.write(content)

            def drip(self, headers):
                """Sends blanks, one by one, until nobody listens."""
                end = b"X-Slow: " if headers else b"\r\n"
                self.wfile.write(b"HTTP/1.1 200 OK\r\n" + end)
                with suppress(OSError):
                    for _ in range(100):
                        self.wfile.write(b" ")
                        time.sleep(DRIP)

            def log_message(self, *given):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.http.serve_forever, args=(POLL,), daemon=True).start()
        self.port = self.http.server_port
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self):
        self.http.shutdown()
        self.http.server_close()
