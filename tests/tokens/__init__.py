"""Tokens: providers, claims over $cbs, OAUTHBEARER."""
