"""A small web server on this machine that gives planned answers, so that tests can see every way of failing.

    with Web() as web:
        web.plan("/prices", Answer(status=500), Answer({"close": [1, 2]}))  # first a fault, then the numbers
        requests.get(web.url + "/prices")
        assert web.count("/prices") == 1

The last planned answer of a path repeats. A path with no plan answers 404.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Answer:
    "What the server says to one request."

    body: Any = b""  # bytes, text, or anything that json can write
    status: int = 200  # 0: hang up without a word
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # Seconds before the first byte (cut short when the server closes)
    truncate: int | None = None  # Promise the whole body, send this many bytes, and hang up
    drip: float = 0.0  # Seconds between any two bytes of the body

    def bytes(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    def kind(self) -> str:
        if isinstance(self.body, (bytes, str)):
            return "text/html" if self.bytes().lstrip().startswith(b"<") else "text/plain"
        return "application/json"


@dataclass(frozen=True)
class Asked:
    "One request as it arrived."

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # Names in lower case
    body: bytes = b""


Plan = Answer | Callable[[Asked], Answer]


class Web:
    "A server on a free port of 127.0.0.1; a context manager that leaves nothing behind."

    def __init__(self) -> None:
        self.plans: dict[str, list[Plan]] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                "Say nothing."

            def do_GET(self) -> None:
                web.answer(self)

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # In a thread of its own; looks every 10 ms whether it is to end.
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plan(self, path: str, *answers: Plan) -> None:
        "Say what a path answers, in order; the last answer repeats. A path that ends in * stands for all below."
        self.plans[path] = list(answers)

    def count(self, path: str | None = None) -> int:
        "How many requests came, in all or for one path."
        return sum(path in (None, one.path) for one in self.asked)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        "Answer one request as planned."
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, url.path, dict(parse_qsl(url.query)), headers, body)
        with self.lock:
            self.asked.append(asked)
            wild = [name for name in self.plans if name.endswith("*") and url.path.startswith(name[:-1])]
            best = url.path if url.path in self.plans else max(wild, key=len, default="")
            queue = self.plans.get(best, [Answer({"error": f"nothing at {url.path}"}, status=404)])
            plan = queue.pop(0) if len(queue) > 1 else queue[0]
        given = plan if isinstance(plan, Answer) else plan(asked)
        self.closing.wait(given.delay)
        handler.close_connection = True
        if given.status == 0 or self.closing.is_set():
            return
        whole = given.bytes()
        handler.send_response(given.status)
        sent = {"Content-Type": given.kind(), "Content-Length": str(len(whole)), "Connection": "close"}
        for name, value in (sent | given.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            if given.drip:
                for place in range(len(whole)):
                    handler.wfile.write(whole[place : place + 1])
                    if self.closing.wait(given.drip):
                        return
            else:
                handler.wfile.write(whole[: given.truncate])
        except OSError:
            pass  # The one who asked has gone

    def close(self) -> None:
        "End the server and whoever still waits for it."
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


class Pauses(list[float]):
    "Takes notes in place of sleeping."

    def __call__(self, seconds: float) -> None:
        self.append(seconds)
