"""Applications that call a gateway with OpenAI's SDK all the time, and the provider that stands behind it."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


def sdk(url: str, key: str) -> openai.OpenAI:
    """The SDK as an application has it, without retries of its own, which would hide what fails."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30.0)


@contextmanager
def traffic(url: str, key: str, model: str) -> Iterator[list[str]]:
    """Calls one after the other, each on a new connection, until the block ends; gives what failed, as it fails."""
    failed: list[str] = []
    ended, answered = threading.Event(), threading.Event()

    def call() -> None:
        while not ended.wait(0.05):
            try:
                with sdk(url, key) as client:
                    client.chat.completions.create(model=model, messages=HELLO)
                answered.set()
            except openai.APIError as error:
                failed.append(repr(error))

    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call)
        try:
            assert answered.wait(60), failed
            yield failed
        finally:
            ended.set()
        calling.result()


class Streams:
    """Answers that arrive side by side: each is whole when it ends with a reason."""

    def __init__(self, url: str, key: str, model: str, count: int) -> None:
        self._client = sdk(url, key)
        self._pool = ThreadPoolExecutor(count)
        self._begun = threading.Semaphore(0)
        self._running: list[Future[str | None]] = [self._pool.submit(self._read, model) for _ in range(count)]

    def begun(self) -> None:
        """Wait until each has its first words."""
        for _ in self._running:
            assert self._begun.acquire(timeout=60)

    @property
    def left(self) -> int:
        """How many have not ended."""
        return sum(not one.done() for one in self._running)

    def ends(self) -> list[str | None]:
        """Why each ended; None when it was cut."""
        with self._pool, self._client:
            return [one.result(timeout=60) for one in self._running]

    def _read(self, model: str) -> str | None:
        reason = None
        begun = False
        try:
            for chunk in self._client.chat.completions.create(model=model, messages=HELLO, stream=True):
                if not begun:
                    begun = True
                    self._begun.release()
                reason = chunk.choices[0].finish_reason or reason if chunk.choices else reason
        except (openai.APIError, httpx2.HTTPError):
            return None
        return reason


class Provider(ThreadingHTTPServer):
    """An OpenAI-shaped API at an address that pods reach. It answers whoever shows one of ``keys``.

    A stream has a word each second, until ``done`` is set.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, *keys: str) -> None:
        super().__init__((host, 0), _Answer)
        self.keys = set(keys)
        self.seen: list[str] = []
        self.done = threading.Event()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}/v1"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers["authorization"].removeprefix("Bearer ")
        self.server.seen.append(key)
        if key not in self.server.keys:
            self._say(401, {"error": {"message": "bad key"}})
        elif asked.get("stream"):
            self._stream(asked["model"])
        else:
            self._say(200, completion(asked["model"]))

    def _stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self._event(piece(model, "word "))
        while not self.server.done.wait(1.0):
            self._event(piece(model, "word "))
        self._event(piece(model, "", "stop"))
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, document: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(document)}\n\n".encode())

    def _say(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing: pytest shows what a test says."""


def completion(model: str) -> dict[str, Any]:
    """A small answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}


def piece(model: str, text: str, reason: str | None = None) -> dict[str, Any]:
    """A part of a streamed answer; the last has a reason."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


@contextmanager
def provider(host: str, *keys: str) -> Iterator[Provider]:
    """A provider that runs as long as the block."""
    with Provider(host, *keys) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.done.set()
            server.shutdown()
            thread.join()
