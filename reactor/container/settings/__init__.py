"""Settings: the keywords of connect, listen and the makers of links, checked and completed.

The file of settings is imported when `connect` looks for one, and proxies when it is given one.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.container.settings.config import ConnectConfig as ConnectConfig
    from reactor.container.settings.config import find_config as find_config
    from reactor.container.settings.proxy import choose_proxies as choose_proxies
else:
    __getattr__ = members(
        __name__,
        ConnectConfig="reactor.container.settings.config",
        find_config="reactor.container.settings.config",
        choose_proxies="reactor.container.settings.proxy",
    )
