"""What may happen: one file an aggregate, with its commands, its events and its decisions.

What lives here: the vocabulary of events and commands (plain frozen data) and the aggregates that decide. All of it is
pure: no clock, no database, no settings; what a decision needs is handed to it as ``Given``.
May import: ``ledger.policies``, ``ledger.errors``. Everything downstream may import the events defined here.
"""
