"""Search by hnswlib."""
