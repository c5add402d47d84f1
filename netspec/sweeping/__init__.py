"""A spec and lists of values for its parameters to a row of costs for each variant of the net.

Rows are made here, in processes or on a Ray cluster, and written as tables; which values to try next is
Optuna's or Ray Tune's business, which are given a search space. No net is trained.
"""
