"""Search that suits the number of records."""
