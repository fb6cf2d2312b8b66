"""Decoding of untrusted files, in processes that may be killed."""
