"""Settings: the keywords of connect, listen and the makers of links, checked and completed.

The file of settings is imported when `connect` looks for one.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.container.settings.config import ConnectConfig as ConnectConfig
    from reactor.container.settings.config import find_config as find_config
else:
    __getattr__ = members(
        __name__,
        ConnectConfig="reactor.container.settings.config",
        find_config="reactor.container.settings.config",
    )
