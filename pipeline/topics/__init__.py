"""Topics from outside of the engine: ranges read without a group, tails followed, topics created and compared.

What reads or writes records beside the worker stands on this. Nothing here joins the worker's group. Imports aiokafka,
the engine's `origin`, settings and errors.
"""
