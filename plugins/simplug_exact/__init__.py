"""Exact search and the store in memory."""
