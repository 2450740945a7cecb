"""The trainable model: loading, encoding with gradients, saving."""
