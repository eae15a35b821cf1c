"""What other teams may build on: the JSON Schema of every event, the AsyncAPI document of the topic, and their promise.

What lives here: schemas made from the event definitions, the headers of a message, the AsyncAPI 3 document, and the
check that a schema keeps its promise to payloads and consumers of the same version.
May import: ``ledger.aggregates`` and the foundation. It knows nothing of the store or of Kafka; tests compare the two.
"""
