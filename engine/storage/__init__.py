"""The index on disk: sealed values, segments and snapshots in one LMDB environment."""
