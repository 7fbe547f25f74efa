"""install: modules called proton, proton.handlers ... with our names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Optional

import reactor
import reactor.utils
from reactor.as_proton import names, ours, spans
from reactor.as_proton.container import Container, Reactor, Urls
from reactor.as_proton.engine import SASL, Connection
from reactor.as_proton.foreign import IOHandler, PythonIO
from reactor.container.sources.selectable import Selectable
from reactor.lazily import Lazily
from reactor.loop.loggers import logger

log = logger(__name__)

_DOC = "Stands for the original's module of this name: its names are those of amqp-reactor."


class Finder:
    """Finds the modules that are made when they are imported; none of those that are not here, and names the remedy."""

    @classmethod
    def find_spec(
        cls, name: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """Called by each import of a module that is not loaded."""
        reason = names.NOT_HERE.get(name)
        if reason is not None:
            raise ImportError("no module named %r: %s" % (name, reason), name=name)
        if name not in names.LATER:
            return None
        return ModuleSpec(name, cls(), origin=__file__)  # type: ignore[arg-type]  # it has what that calls

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """The module, without its names."""
        return _module(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Give it its names. That of `proton._tracing` switches spans on, and changes the classes of other modules."""
        listed = names.LATER[module.__name__].split()
        if module.__name__ == "proton._tracing":
            found = spans.switch_on()
            for other in [sys.modules["proton"], *vars(sys.modules["proton"]).values()]:
                if isinstance(other, ModuleType):
                    vars(other).update({name: value for name, value in found.items() if name in vars(other)})
        else:
            private = Lazily("proton._tracing")
            found = {name: getattr(private, name) for name in listed}
        vars(module).update({name: found[name] for name in listed}, __all__=listed)


def install(instead: bool = False) -> None:
    """Let `proton`, `proton.handlers`, `proton.reactor`, `proton.utils`, and the private modules that programs import,
    lead to this library, in this process. Called again, it does nothing.

    instead: also where the original is installed; modules that have imported it before keep it (False).

    Raises ImportError where the original is imported or installed, without `instead`. It is logged once, at INFO.
    """
    known = sys.modules.get("proton")
    if known is not None and known.__doc__ == _DOC:
        return
    if not instead:
        _refuse_beside_the_original(known)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("proton", *names.NOT_HERE)]:
        del sys.modules[name]
    modules = make()
    sys.modules.update(modules)
    for kind in reactor.EventType.TYPES.values():
        if kind.name.startswith("pn_"):
            kind.name = kind.name.upper()  # programs write it into their logs, and compare it
    if not any(finder is Finder for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder)
    log.info(
        "proton, %s lead to amqp-reactor %s, with the names of python-qpid-proton %s",
        ", ".join(sorted(name for name in names.PUBLIC if name != "proton")),
        reactor.__version__,
        modules["proton"].__dict__["__version__"],
    )


def _refuse_beside_the_original(known: Optional[ModuleType]) -> None:
    remedy = "say install(instead=True), or python -m reactor.as_proton --instead, to use amqp-reactor all the same"
    if known is not None:
        raise ImportError("proton is imported already, from %s; %s" % (known.__file__, remedy), name="proton")
    for name in ("proton", "cproton"):
        spec = PathFinder.find_spec(name)
        if spec is not None:
            raise ImportError("%s is installed, at %s; %s" % (name, spec.origin, remedy), name=name)


def make() -> dict[str, ModuleType]:
    """The modules by name, which are not imported anywhere yet."""
    handlers = ours.package("handlers")
    found: dict[str, Any] = {name: getattr(one, name) for one in (reactor, handlers) for name in one.__all__}
    found.update(vars(reactor.utils))
    found.update(Selectable=Selectable, Connection=Connection, IOHandler=IOHandler, PythonIO=PythonIO)
    found.update(Container=Container, Reactor=Reactor, Urls=Urls, SASL=SASL)
    found["Acking"] = vars(sys.modules[handlers.__name__ + ".incoming"])["Acking"]
    modules = {name: _module(name) for name in [*names.PUBLIC, *names.PRIVATE]}
    for table in (names.PUBLIC, names.PRIVATE):
        for name, listed in table.items():
            vars(modules[name]).update((word, found[word]) for word in listed.split())
    top = modules["proton"]
    for name, module in modules.items():
        if name != "proton":
            setattr(top, name.partition(".")[2], module)
    for name, listed in names.PUBLIC.items():
        vars(modules[name])["__all__"] = sorted({*listed.split(), *(names.CONSTANTS if name == "proton" else ())})
    for number, constant in zip(reactor.VERSION, ("MAJOR", "MINOR", "POINT")):
        vars(top)["PN_VERSION_" + constant] = number
    vars(top).update(names.CONSTANTS, __version__="%d.%d.%d" % reactor.VERSION)
    return modules


def _module(name: str) -> ModuleType:
    module = ModuleType(name, _DOC)
    spec = module.__spec__ = ModuleSpec(name, None, origin=__file__, is_package=name == "proton")
    module.__package__ = spec.parent
    module.__file__ = __file__  # programs show where they found it
    if name == "proton":
        module.__path__ = []
    return module
