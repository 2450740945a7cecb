"""The parameter block: what a kernel's entry point is called with.

One array of int64, so that a call from Python costs one pointer whatever it hands over. Imported
by both sides of the call, and so by nothing that needs Numba.
"""

from engine.storage.block import ROW_ALIGNMENT

# Addresses and sizes of the block table.
BLOCKS, BLOCK_COUNT, DIRECTORY, VOCABULARY, VERIFIED = range(5)
# The query: addresses of terms (int32) and weights (float64), and their number.
TERMS, WEIGHTS, TERM_COUNT = range(5, 8)
# The answer: addresses of documents (int64) and scores (float64), and how many are wanted.
DOCUMENTS, SCORES, K = range(8, 11)
# Scratch: addresses of multipliers (int64), accumulator (int32, all zero), stage (int32); of two
# plans (int64), and their lists and rows (int64).
MULTIPLIERS, ACCUMULATOR, STAGE, PLANS, LISTS, DENSE_ROWS = range(11, 17)
# A batch: addresses of query starts (int64), answer sizes (int64) and units (float64), and the
# queries' number.
STARTS, SIZES, UNIT_WEIGHTS, QUERY_COUNT = range(17, 21)
# An explanation: block and local document, addresses of impacts and of units (int64).
BLOCK, LOCAL_DOCUMENT, IMPACTS, CONTRIBUTED = range(21, 25)
# How candidates are taken out of a block: one of the three below.
POLICY = 25
# A budget: address of bands to read of each term (int64), all `BANDS` without a budget; address of
# what is known of each term's bands (int64); most postings to read, or -1 for a share, in units of
# 1 / SHARE_ONE. HAS_BUDGET is 0 where all is read.
CUTS, TOTALS, HAS_BUDGET, BUDGET, SHARE = range(26, 31)
LENGTH = 31
SHARE_ONE = 1 << 30

BY_COST, ALWAYS_SWEEP, ALWAYS_WALK = range(3)

# Columns of the block table (int64): address and number of the deleted documents of a block, its
# documents in whole chunks, the number of its first document, and how far behind the high bytes of
# a dense row its low bytes lie.
DELETED, DELETED_COUNT, STRIDE, FIRST_DOCUMENT, LOW_BEHIND_HIGH = range(5)
COLUMNS = 5

# Columns of the directory (int64), one entry a term and block: the address of its posting list or
# of the high bytes of its dense row; 0 where it has neither, its postings x 65536 + its largest
# impact, or minus the largest impact where it has a row; and the address of details that are found
# when they are first needed: the largest high byte of each line of a row (uint8), the postings in
# the 1, 2, ... BANDS highest bands of a list (uint32).
ADDRESS, EXTENT, DETAILS = range(3)
ENTRY_COLUMNS = 3

# Columns of a list that a query reads: its address, how many of its postings are read, and its
# multiplier.
LIST, POSTING_COUNT, LIST_MULTIPLIER = range(3)
LIST_COLUMNS = 3
# Columns of a row that a query reads: addresses of its high bytes, of its low bytes and of its
# lines' maxima, and its multiplier.
HIGH, LOW, ROW_LINES, MULTIPLIER = range(4)
ROW_COLUMNS = 4
# Documents of a line: their high bytes lie in one cache line.
LINE = 64

# Rows are padded to whole chunks, so that the kernels that look for the best need no tail.
CHUNK = ROW_ALIGNMENT
STAGED_POSTINGS = 256
# How many lists and rows a query has in a block, its postings, and bounds of their scores.
PLAN_FIELDS = 5
MAX_QUERY_TERMS = 1 << 16
