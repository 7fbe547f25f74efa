"""Stage: one program of a lesson in a world of its own, run as a whole or step by step.

A program is a Python file with a function `scene(world)`, which starts the programs of the scene, and with names in
capitals that can be set from outside: SECONDS (how long the scene lasts), LATENCY, SEED, and its own, such as PREFETCH.
Nothing here needs a socket, a thread or a process, so that it runs in a browser as well.
"""

import ast
import contextlib
import io
import linecache
import logging
import traceback

from reactor.simulation import NeverHappens, World
from reactor.tracing.recorder import Recorder

#: For what a program does not say.
DEFAULTS = {"SEED": 1, "SECONDS": 2.0, "LATENCY": 0.01}

#: Records of a scene at most: of more, the last ones are kept.
MOST = 20_000


class Broken(Exception):
    """The program has an error of its own. The text is for its author: the line, and the error."""


def load(source, name, settings=()):
    """The names of a program, once it has been run as a module, with `settings` in place of its own capitals."""
    settings = dict(settings)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)  # for tracebacks
    names = {**DEFAULTS, "__name__": "lesson", "__file__": name}
    with explained(name):
        tree = ast.parse(source, name)
        known = {target.id: node for node in tree.body for target in getattr(node, "targets", ()) if _is_name(target)}
        for key, value in settings.items():
            if key in known:
                known[key].value = ast.copy_location(ast.Constant(value), known[key].value)
            elif key in DEFAULTS:
                names[key] = value
            else:
                raise Broken(f"{name} has no {key}; it has {', '.join(sorted({*known, *DEFAULTS}))}")
        exec(compile(tree, name, "exec"), names)
    return names


def _is_name(target):
    return isinstance(target, ast.Name) and target.id.isupper()


@contextlib.contextmanager
def explained(name):
    """An exception out of the program is shown by the line of the program that it came from."""
    try:
        yield
    except (Broken, NeverHappens):
        raise
    except Exception as error:
        raise Broken(explain(error, name)) from error


def explain(error, name):
    """The line of the program, and the error."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return f"{name}, line {error.lineno}: {(error.text or '').strip()}\n{type(error).__name__}: {error.msg}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    place = [f"{name}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in own[-1:]]
    return "\n".join([*place, f"{type(error).__name__}: {error}"])


@contextlib.contextmanager
def quiet(output=None):
    """Without a log: the picture has all of it. output: takes what is printed; None: nothing does."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO() if output is None else output):
            yield
    finally:
        logging.disable(before)


class Stage:
    """A program on its stage. Its faults come as Broken.

    names: the program's own. world: its world. printed: lines of its output, each with the world's time.
    over: whether the scene has come to its end.
    """

    def __init__(self, source, name="program.py", settings=()):
        self.name = name
        self.printed = []
        self.over = False
        self._output = _Output(self)
        self.world = None
        with self._doing():
            self.names = names = load(source, name, settings)
            if not callable(names.get("scene")):
                raise Broken(f"{name} has no function scene(world)")
            record = Recorder(ring=MOST, frame_bytes=None)
            self.world = World(names["SEED"], latency=names["LATENCY"], bandwidth=1e9, pieces=0, record=record)
            self.world.__enter__()  # then it leaves the telling of failures to this class
            self._result = names["scene"](self.world)

    @property
    def now(self):
        return 0.0 if self.world is None else self.world.now

    @property
    def recording(self):
        """All that happened so far."""
        return self.world.recording

    @property
    def left(self):
        """Seconds until the scene is over."""
        return max(0.0, self.names["SECONDS"] - self.now)

    def run(self):
        """Everything up to the end."""
        with self._doing():
            self.world.run_for(self.left)
        self.over = True

    def result(self):
        """The counts that the scene has a function for, which it returned: {} without one."""
        with self._doing():
            return self._result() if callable(self._result) else {}

    def step_frame(self):
        """Until one frame has arrived."""
        self._step(self.world.step_frame)

    def step_event(self):
        """Until one event has gone to its handlers."""
        self._step(self.world.step_event)

    def _step(self, step):
        try:
            with self._doing():
                step(self.left)
        except NeverHappens:
            self.over = True

    def kill(self, program):
        """The program ends where it is."""
        with self._doing():
            self._program(program).crash()

    def restart(self, program):
        """It is started again, if it does not run."""
        with self._doing():
            if not self._program(program).running:
                self._program(program).restart()

    def _program(self, name):
        if name not in self.world.programs:
            raise Broken(f"no program is called {name!r}; there are {', '.join(self.world.programs)}")
        return self.world.programs[name]

    @contextlib.contextmanager
    def _doing(self):
        """Prints are the program's output."""
        with quiet(self._output), explained(self.name):
            yield


class _Output(io.TextIOBase):
    """Takes prints, line by line."""

    def __init__(self, stage):
        self.stage, self.rest = stage, ""

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        self.stage.printed += [(self.stage.now, line) for line in lines]
        return len(text)
