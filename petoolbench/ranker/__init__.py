"""The reference ranker agent: which candidate fits instruction and taste, and what its arguments are."""
