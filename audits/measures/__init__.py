"""Measures: pure computing on arrays. They measure and never judge; no Django, no files, no verdicts."""
