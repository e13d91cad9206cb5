"""The operators' pages: is it healthy, why does a number route there, what does an account have.

The extra `[console]` installs what they need; no other room imports this one before the console is started.
"""
