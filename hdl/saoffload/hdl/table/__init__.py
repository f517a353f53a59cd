"""The SA table: keys, handles, contexts, and who still uses what."""
