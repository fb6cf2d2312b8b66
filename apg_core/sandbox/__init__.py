"""Untrusted files are decoded here, in processes of their own that may be killed."""
