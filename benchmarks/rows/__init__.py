"""The rows of the table, a file for each or for some that belong together; ``every.py`` lists them in order.

May import: the measuring rooms beside this folder, ``ledger`` and ``deploy.stack``.
"""
