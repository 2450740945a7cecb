"""Query encoding and scoring; stands on `engine.storage`, knows nothing of the public API."""
