"""The server of the page: on loopback alone, for those who have its token, with a process for each student.

A request has to have the token, a Host header of this machine, and a body that is not too large. The programs of a
student run in a process of their own (seat.py), which has limits, and is ended when it does not answer.
"""

import contextlib
import hmac
import json
import secrets
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from examples.lessons.exercises.checking import environment

HERE = Path(__file__).resolve().parent

#: Bytes of a request's body.
MOST_BYTES = 256 * 1024

#: Students at once: one more takes the seat that was not used for the longest time.
MOST_SEATS = 8

#: Seconds that a process has for an answer.
PATIENCE = 60.0

FILES = {"/page.js": "text/javascript; charset=utf-8", "/page.css": "text/css; charset=utf-8"}

POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:"


class Process:
    """A student's process: one command at a time."""

    def __init__(self, patience):
        self.patience = patience
        self.used = time.monotonic()
        self._lock = threading.Lock()
        self._child = None

    def ask(self, command):
        """The answer to a command. A process that gives none in time is ended, and the next command has another."""
        self.used = time.monotonic()
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._end()
                self._start()
            late = threading.Event()
            timer = threading.Timer(self.patience, self._give_up, [self._child, late])
            timer.start()
            try:
                self._child.stdin.write(json.dumps(command).encode() + b"\n")
                self._child.stdin.flush()
                line = self._child.stdout.readline()
            except OSError:  # it has ended in the meantime
                line = b""
            finally:
                timer.cancel()
                timer.join()
            if line:
                return json.loads(line)
            self._end()
            if late.is_set():
                text = f"No answer within {self.patience:g} s: the program was ended. Does a method sleep, or wait?"
            else:
                text = "The process of the program has ended. Does it call exit()?"
            return {"error": text}

    def end(self):
        """End it, also in the middle of a command."""
        child = self._child
        if child is not None:
            child.kill()
        with self._lock:
            self._end()

    def _start(self):
        self._child = subprocess.Popen(
            [sys.executable, "-m", "examples.lessons.web.seat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )

    def _give_up(self, child, late):
        late.set()
        child.kill()

    def _end(self):
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            child.stdout.close()
            with contextlib.suppress(OSError):  # the rest of a command has no reader any more
                child.stdin.close()


class Server(ThreadingHTTPServer):
    """The page. port: 0 for any. url: where it is, token included."""

    daemon_threads = False

    def __init__(self, port=0, patience=PATIENCE):
        self.token = secrets.token_urlsafe(16)
        self.patience = patience
        self._seats = {}
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Request)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def knows(self, token):
        return hmac.compare_digest(token.encode(), self.token.encode())

    def seat(self, name):
        """The process of a student; made when it is asked for first."""
        with self._lock:
            seat = self._seats.get(name)
            oldest = None
            if seat is None:
                if len(self._seats) >= MOST_SEATS:
                    oldest = self._seats.pop(min(self._seats, key=lambda one: self._seats[one].used))
                seat = self._seats[name] = Process(self.patience)
        if oldest is not None:
            oldest.end()
        return seat

    def close(self):
        """End all processes, and wait for the requests under way."""
        with self._lock:
            seats, self._seats = self._seats, {}
        for seat in seats.values():
            seat.end()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    """One request. Errors are one line of text."""

    server_version = "lessons"
    sys_version = ""
    timeout = 30.0

    def do_GET(self):
        place = urlsplit(self.path)
        if not self._is_local():
            return
        if place.path == "/":
            if self._has_token(parse_qs(place.query).get("token", [""])[0]):
                self._answer(200, "text/html; charset=utf-8", (HERE / "page.html").read_bytes())
        elif place.path in FILES:  # the same for everybody, and no secret
            self._answer(200, FILES[place.path], (HERE / place.path[1:]).read_bytes())
        else:
            self._refuse(404, "there is nothing here")

    def do_POST(self):
        if not self._is_local() or not self._has_token(self.headers.get("X-Token", "")):
            return
        if self.path != "/command":
            self._refuse(404, "commands go to /command")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(411, "a command has a Content-Length")
        elif int(length) > MOST_BYTES:
            self._refuse(413, f"a command has {MOST_BYTES} bytes at most")
        else:
            self._command(self.rfile.read(int(length)))

    def _command(self, body):
        try:
            command = json.loads(body)
            seat = command.pop("seat")
        except (ValueError, KeyError, AttributeError, TypeError):
            self._refuse(400, "a command is an object in JSON, with a seat")
            return
        answer = self.server.seat(str(seat)[:64]).ask(command)
        self._answer(200, "application/json", json.dumps(answer).encode())

    def _is_local(self):
        """Whether the browser means this machine: a foreign page that leads its own name here is refused."""
        if self.headers.get("Host") in self.server.hosts:
            return True
        self._refuse(403, "this page is for 127.0.0.1 alone")
        return False

    def _has_token(self, token):
        if self.server.knows(token):
            return True
        self._refuse(403, "the token is missing or wrong: use the address that was printed at the start")
        return False

    def _refuse(self, status, text):
        self.close_connection = True
        self._answer(status, "text/plain; charset=utf-8", text.encode() + b"\n")

    def _answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        with contextlib.suppress(ConnectionError):  # the browser has left
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format, *args):
        """Nothing is logged: the address has the token in it."""


def serve(port=0, write=print):
    """Serve the page until Ctrl-C."""
    server = Server(port)
    write(f"The lessons are at {server.url}\nCtrl-C ends them.")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        write("")
    finally:
        server.close()
