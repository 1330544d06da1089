"""Exact Shapley values of tree ensembles, whatever library grew them."""
