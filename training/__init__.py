"""The companion: trains inference-free SPLADE models and evaluates them."""
