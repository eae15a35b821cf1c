"""The log on Kafka: how an event travels, the relay that brings it there, and reading it back.

What lives here: the wire format (CloudEvents 1.0, binary mode), the relay from the store to the topic, the Kafka
implementation of the log interface, the checks of topic and broker settings, and the restore of a store from the topic.
May import: ``ledger.consumers.log``, ``ledger.store`` and the foundation. No projection, no application.
"""
