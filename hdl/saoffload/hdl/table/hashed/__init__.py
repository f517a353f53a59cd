"""The hash table: keys by the thousand in block RAM, found in a fixed number of clocks."""
