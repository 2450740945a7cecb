"""Training examples: reading them, and drawing batches from several sources."""
