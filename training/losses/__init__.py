"""Losses of sparse retrieval; each is a function of tensors, so that any trainer can use them."""
