"""Structures: how members work out one answer, a module a family, each a published method."""
