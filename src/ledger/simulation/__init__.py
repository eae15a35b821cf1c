"""An agency's life in simulated time: clients, staff, contacts, notes, supervision, disputes, changes of policy.

Everything here goes through the ordinary commands, so that what comes out is what real work would have left in the log.
The same options give the same events, ids and times included. It is the load of the benchmarks and the story of the
demonstration; every name is made up, and shows it.

May import: ``ledger.application``, ``ledger.aggregates``, ``ledger.policies`` and the foundation (clock, errors,
settings). Nothing but the command line, the benchmarks and tests imports it.
"""

from ledger.simulation.options import Options, Story, Summary
from ledger.simulation.run import simulate, starting_clock

__all__ = ["Options", "Story", "Summary", "simulate", "starting_clock"]
