"""How fast each part is, beside the bare thing it stands on, measured in the same run on the same servers.

``make bench`` runs every row and writes ``RESULTS.md``; ``make bench QUICK=1`` tries them at small sizes. What lives
here: the rows (``rows/``, a file for each row or group of rows), the servers, the log they work on, the measuring, and
the pages that are made from the figures. May import: everything of ``ledger`` and ``deploy.stack``; nothing imports it.
"""
