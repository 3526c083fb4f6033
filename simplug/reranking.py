"""Better neighbours from the neighbours that are there: re-ranking, and the expansion of queries and records.

Each works on an :class:`simplug.Index` and on lists of nearest records alone, whatever the size of the index.
"""

from simplug.index.expansion import database_augmentation, query_expansion
from simplug.index.reciprocal import k_reciprocal

__all__ = ["database_augmentation", "k_reciprocal", "query_expansion"]
