"""Figures for leads: how the queue, the readers and the models are doing. Counted in SQL, over a window of time.

Nothing here names a patient or a case. Every share comes with its 95 % interval, and says of how many.
"""
