"""Recipes: a file for each data set, reproducible by seed. Run one with ``python -m bitweir.train.recipes.digits``."""
