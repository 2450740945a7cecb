"""How the embedded default model is made: its training texts and its starting model.

`python -m training.recipes.default --data DIR --backbone DIR --output DIR` writes both.
"""
