"""A flat graph to the text of a short spec: branches, repeats, blocks and defaults found in it.

`regions` nests the graph into chains and branches along its `ways`, `terms` is what those are made of;
`library` recognises shipped blocks, `blocks` finds what repeats and `unify` its parameters; `text`
writes it down; `find` checks and undoes.
"""
