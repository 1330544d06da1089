"""Counting where the data lies: one SQL text per question, run by DuckDB on files and by Ibis in a warehouse.

SQL groups and counts; what a cell means (a missing value, a number, a label) is decided in Python, over the few
distinct values that come back, so every engine gives the same answer. No Django, no models.
"""
