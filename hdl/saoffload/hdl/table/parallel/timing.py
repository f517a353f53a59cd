"""The clocks between the steps of a lookup: what ties lookups, deletes and adds together."""

LIVE_TO_ANSWER = 2
"""Clocks from the clock in which a lookup reads its live bit to the clock of its answer, both kinds alike. A delete's
answer is delayed by as much after its live bit went away, so that at the ports the two agree to the clock."""

KEY_MATCH_TO_LIVE = 3
"""Clocks from the clock in which the comparators judge a key lookup to the clock in which it reads its live bit. A
bundle must not become live sooner than this after its entries were written."""
