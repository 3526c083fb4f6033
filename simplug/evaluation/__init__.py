"""Evaluation: scores and cut points from embeddings, labels and neighbours alone."""
