"""Dated rules: deadlines, ratings, calendars, billing codes.

What lives here: data files under ``data/`` (every row with its dates, source and confidence) and the pure functions
that read them. No clock, no database, no settings: a date or a time always comes in as an argument.
May import: nothing of ours.
"""
