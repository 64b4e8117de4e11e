"""A search of the production flows in small scope: every order of every request, lost or late, within its bounds.

`flows.py` makes a graph of what a worker may ask and hear, `world.py` one of what that makes of cells and money,
`explore.py` walks through both at once, and `judge.py` says what may never be found. Nothing here is imported by
production code.
"""
