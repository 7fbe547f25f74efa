"""Tokens in place of passwords: claims-based security over `$cbs`, and OAUTHBEARER. The names for applications."""

from reactor.tokens.bearer import Bearer
from reactor.tokens.claims import Claims
from reactor.tokens.provider import AccessToken, Token, TokenProvider
from reactor.tokens.shared_access import SharedAccessKey

__all__ = ["AccessToken", "Bearer", "Claims", "SharedAccessKey", "Token", "TokenProvider"]
