"""A run from a config: its schema, its stages, its report."""
