"""The parameter block: what a kernel's entry point is called with.

One array of int64, so that a call from Python costs one pointer whatever it hands over. Imported
by both sides of the call, and so by nothing that needs Numba.
"""

from engine.storage.block import MAX_BLOCK_DOCUMENTS, ROW_ALIGNMENT

# Addresses and sizes of the block table.
BLOCKS, BLOCK_COUNT, SLOTS, VOCABULARY, VERIFIED = range(5)
# The query: addresses of terms (int32) and weights (float64), and their number.
TERMS, WEIGHTS, TERM_COUNT = range(5, 8)
# The answer: addresses of documents (int64) and scores (float64), and how many are wanted.
DOCUMENTS, SCORES, K = range(8, 11)
# Scratch: addresses of multipliers (int64), accumulator (int32), chunk maxima and top-k maxima.
MULTIPLIERS, ACCUMULATOR, MAXIMA, LARGEST = range(11, 15)
# A batch: addresses of query starts (int64) and answer sizes (int64), and the queries' number.
STARTS, SIZES, QUERY_COUNT = range(15, 18)
# An explanation: block and local document, addresses of impacts and of units (int64).
BLOCK, LOCAL_DOCUMENT, IMPACTS, UNITS = range(18, 22)
LENGTH = 22

# Columns of the block table (int64): addresses of a block's arrays, and its counts.
OFFSETS, TERM_MAXIMA, ROWS, POSTINGS, HIGH, LOW, DELETED, DELETED_COUNT = range(8)
DOCUMENT_COUNT, STRIDE, FIRST_DOCUMENT, TERMS_OF_BLOCK, POSTING_COUNT, DENSE_BYTES = range(8, 14)
COLUMNS = 14

# Rows are padded to whole chunks, so that the kernels that look for the best need no tail.
CHUNK = ROW_ALIGNMENT
MAX_CHUNKS = MAX_BLOCK_DOCUMENTS // CHUNK
MAX_QUERY_TERMS = 1 << 16
