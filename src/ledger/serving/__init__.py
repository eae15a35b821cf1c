"""What a long-running process shows of itself: its lag and rate as Prometheus metrics, and whether it lives.

What lives here: how far the views and the topic are behind the log, the metrics made of it, and the small HTTP server
for ``/metrics``, ``/health/live`` and ``/health/ready``. Numbers and names of views only; nothing of a client.
May import: ``ledger.kafka``, ``ledger.consumers``, ``ledger.store`` and the foundation. No command line.
"""
