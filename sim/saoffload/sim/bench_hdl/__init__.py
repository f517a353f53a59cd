"""Hardware around the engine or a part of it that is measured or fuzzed without waking Python; none of it the product.

- To measure a table: ``fill``, with ``fill_plan``, ``fill_lookups`` and ``fill_events``.
- To measure a walk: ``tops``, with ``read_memory``, ``stopwatch`` and ``serial_walker``, the walker to compare with.
- To fuzz an engine: ``fuzz_top``, with ``responder``, ``lookup_traffic``, ``lite_master`` and ``dice``.
"""
