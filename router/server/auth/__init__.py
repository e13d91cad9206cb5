"""Authentication and authorization: tokens, scopes, TLS files, bind policy."""
