"""Environment: where the broker is, and which user logs in there, as variables name it: the habit of container images.

    AMQP_URL        amqps://broker.example, with or without a user and a password
    AMQP_USER       the user, where the URL has none
    AMQP_PASSWORD   its password

Each may be in a file instead, which the variable with _FILE at its end names: AMQP_PASSWORD_FILE=/run/secrets/amqp. So
are secrets mounted into containers; the official images of Docker have the rule, both variables at once being an error
(`file_env` in github.com/docker-library/postgres, docker-entrypoint.sh). A variable that is empty is not set.

`connect()` itself looks at none of them: a program asks, by `environment_url`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional, Union

from reactor.url import Url

URL, USER, PASSWORD = "AMQP_URL", "AMQP_USER", "AMQP_PASSWORD"
IN_A_FILE = "_FILE"

#: Bytes of a file with a secret: what is longer is another file.
LARGEST_SECRET = 65536


def environment_url(
    given: Union[str, Url, None] = None,
    default: str = "amqp://127.0.0.1:5672",
    environ: Optional[Mapping[str, str]] = None,
) -> Url:
    """The URL of the broker: `given`, else that of AMQP_URL, else `default`.

    given: as the user of the program has named it; it goes before all variables. default: its path, the address of a
        queue, stands in for that of a URL without one, too. environ: the variables, by default those of the process.

    A user and a password that the URL lacks are those of AMQP_USER and AMQP_PASSWORD: of a `default`, which is a
    program's own, as of the others. Raises ValueError, which names the variable and shows no secret, for one that is
    given twice (a variable and its file; in AMQP_URL and apart), for a file that cannot be read, is empty or
    has several lines, and for a text that is no URL.
    """
    environ = os.environ if environ is None else environ
    where = "the URL"
    named = None if given else environment_secret(URL, environ)
    if named is not None:
        where = _name_of(URL, environ)
        url = _read_url(where, named)
    else:
        url = Url(given or default, defaults=False)
    if url.path is None:
        url.path = Url(default, defaults=False).path
    user, password = environment_secret(USER, environ), environment_secret(PASSWORD, environ)
    if named is not None:
        for name, twice in ((USER, user and url.username), (PASSWORD, password and url.password)):
            if twice:
                word, other = "user" if name == USER else "password", _name_of(name, environ)
                raise ValueError("%s has a %s, and %s gives one: leave one out" % (where, word, other))
    if url.username is None and user is not None:
        url.username = user
        if url.password is None:
            url.password = password
    elif url.username is not None and url.password is None and (user is None or user == url.username):
        url.password = password  # of another user it is of no use
    return url


def environment_secret(name: str, environ: Optional[Mapping[str, str]] = None) -> Optional[str]:
    """The value of a variable, or the text of the file that the variable `name` with _FILE at its end names; None where
    neither is set. One line end, or several, at the end of the file are not part of it. Raises ValueError as
    `environment_url` does."""
    environ = os.environ if environ is None else environ
    value, path = environ.get(name) or None, environ.get(name + IN_A_FILE) or None
    if path is None:
        return value
    variable = name + IN_A_FILE
    if value is not None:
        raise ValueError("%s and %s are both set: leave one out" % (name, variable))
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_SECRET + 1)
        text = content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError("%s: %s cannot be read: %s" % (variable, path, error.strerror or error)) from None
    except UnicodeDecodeError:
        raise ValueError("%s: %s is not in UTF-8" % (variable, path)) from None
    if not text:
        raise ValueError("%s: %s is empty" % (variable, path))
    if "\n" in text or "\r" in text or len(content) > LARGEST_SECRET:
        raise ValueError("%s: %s has more than one line: it is to have the value alone" % (variable, path))
    return text


def _read_url(where: str, text: str) -> Url:
    if where == URL + IN_A_FILE and "://" not in text:  # another secret, perhaps, which must not be shown
        raise ValueError("%s: the text in the file is no URL, such as amqps://user:password@broker" % where)
    try:
        return Url(text, defaults=False)
    except ValueError as error:
        raise ValueError("%s: %s" % (where, error)) from None


def _name_of(name: str, environ: Mapping[str, str]) -> str:
    """The variable that is set."""
    return name if environ.get(name) else name + IN_A_FILE
