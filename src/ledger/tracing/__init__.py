"""Tracing: was this note late, under which rule, by which clock, and who could have known what when.

A trace is built from the log itself, not from a view: the events of the note, of its contact and of the disputes about
it, the policies adopted, and the reads of the chart. What lives here: gathering that story, evaluating the verdict
after each event, and telling it as text, HTML and a picture. May import: projections, policies, the aggregates'
events, the store, grants, clock, errors. Nothing imports it but surfaces.
"""
