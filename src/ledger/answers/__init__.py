"""Every question that can be asked of the record, once, whoever asks on whichever surface.

What lives here: what each question takes (a struct with a description for every field), how it is answered (the access
event first, then the rows or the events), and the forms of an answer: data, text, page. A surface reads what it was
given into the struct, hands over who asks (``asking.Asking``), and passes the answer on; it opens no chart itself.
May import: everything below the surfaces (``evidence``, ``serving`` and before); never ``cli`` or ``http``.
"""
