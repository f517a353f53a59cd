"""What random traffic does next: adds, deletes, flushes, restores and lookups, a frame at a time."""

from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from saoffload.hdl import layouts
from saoffload.hdl.config import EngineConfig, HashSizes

from .traffic import FRAME, KEYS
from .traffic_judge import NO_KEY, TrafficBundle, TrafficJudge

ASKS_KEY, ASKS_HANDLE, DELETES = 1 << 6, 1 << 7, 1 << 8
GRACES = 4
"""That may be unanswered."""
MOODS = {"fill": 0.05, "swap": 0.4, "churn": 0.8, "drain": 3.0}
"""Deletes of living bundles per frame, when all live."""
MOOD_WEIGHTS = (3, 3, 2, 1)
MOOD_FRAMES = 80
WATCHED_FRAMES = 6
LIFE = 1 << 31


@dataclass
class Plan:
    """One frame: the words of its stimulus, what they ask and delete, and what is offered once, from which clock on."""

    words: list[int]
    keys: list[int]
    handles: list[int]
    deleted: list[int]
    once: dict[str, int]
    request: int | None


class Program:
    """Chooses at random, knowing what the judge knows.

    Half of the time one key is asked for in every clock of some frames: a key that lives, so that it is asked for all
    the while others displace it.
    """

    def __init__(self, judge: TrafficJudge, random: Random):
        assert 1 << 6 == KEYS
        self._judge = judge
        self._random = random
        self._mood = "fill"
        self._watched: int | None = None
        self._graces = 0
        self._flushes_wanted = 0
        self._ends_wanted = 0
        self._layout = layouts.add_request(judge.config)

    @staticmethod
    def config_of(fields: dict[str, Any]) -> EngineConfig:
        """The configuration that ``asdict`` made these fields of."""
        return EngineConfig(**{**fields, "hashed": HashSizes(**fields["hashed"])})

    @staticmethod
    def fields_of(config: EngineConfig) -> dict[str, Any]:
        """The fields of a configuration, for a job."""
        return asdict(config)

    def next_frame(self) -> Plan:
        """The next frame."""
        judge, random = self._judge, self._random
        if random.random() < 1 / MOOD_FRAMES:
            (self._mood,) = random.choices(list(MOODS), MOOD_WEIGHTS)
        once: dict[str, int] = {}
        request = None
        if judge.adding is None and random.random() < 0.9:
            bundle = self._bundle()
            judge.offer_add(bundle)
            once["add"] = random.randrange(FRAME)
            request = self._bits(bundle)
        if self._flushes_wanted == judge.counts["flushes"] and random.random() < 0.002:
            self._flushes_wanted += 1
            once["flush"] = random.randrange(FRAME)
        if self._ends_wanted == judge.counts["end_restores"]:
            if random.random() < (0.1 if judge.is_restoring else 0.005):
                self._ends_wanted += 1
                once["end_restore"] = random.randrange(FRAME)
        if self._graces - judge.counts["graces"] < GRACES and random.random() < 0.1:
            self._graces += 1
            once["grace"] = random.randrange(FRAME)
        keys, handles = self._keys(), self._handles()
        deletes = self._deletes()
        words: list[int] = []
        for place in range(FRAME):
            key, handle, deleted = keys[place], handles[place], deletes.get(place)
            flags = (ASKS_KEY | key if key != NO_KEY else 0) | (ASKS_HANDLE if handle != NO_KEY else 0)
            words += (
                handle if handle != NO_KEY else 0,
                deleted or 0,
                flags | (DELETES if deleted is not None else 0),
            )
        return Plan(words, keys, handles, [deletes[place] for place in sorted(deletes)], once, request)

    def _bundle(self) -> TrafficBundle:
        judge, random = self._judge, self._random
        count = random.choice((1, 1, 2))
        keys = tuple(random.randrange(KEYS) for _ in range(count))
        if random.random() < 0.7:  # rather a new key than a duplicate
            keys = tuple(self._free_key(key) for key in keys)
        sa_count = count if random.random() < 0.97 else random.choice((0, 3))
        handle = 0
        if judge.is_restoring or random.random() < 0.05:
            handle = self._named_handle()
        context = random.getrandbits(judge.config.context_width)
        return TrafficBundle(keys, random.random() < 0.2, sa_count, context, handle)

    def _free_key(self, key: int) -> int:
        taken = {one for bundle in self._judge.live.values() if not bundle.is_outbound for one in bundle.keys}
        return next((one % KEYS for one in range(key, key + KEYS) if one % KEYS not in taken), key)

    def _named_handle(self) -> int:
        judge, random = self._judge, self._random
        kind = random.random()
        if kind < 0.75:
            index = random.randrange(judge.config.bundles)
            return LIFE | random.randrange(1 << 3) << judge.config.index_bits | index
        return self._bogus_handle() if kind < 0.95 else 0

    def _bogus_handle(self) -> int:
        """Wrong in one of the ways in which a handle can be wrong. None of these ever names anything."""
        judge, random = self._judge, self._random
        config = judge.config
        good = random.choice(list(judge.live)) if judge.live else LIFE
        match random.randrange(5):
            case 0:
                return 0
            case 1:
                return good & ~LIFE
            case 2:
                return good | 1 << random.randrange(32, 64)
            case 3:
                beyond = random.randrange(config.bundles, 1 << config.index_bits)
                return good >> config.index_bits << config.index_bits | beyond
            case _:
                return good ^ 1 << 30  # a generation that will not come

    def _deletes(self) -> dict[int, int]:
        judge, random = self._judge, self._random
        wanted = MOODS[self._mood] * len(judge.live) / judge.config.bundles
        chosen = random.choices(list(judge.live), k=int(wanted + random.random())) if judge.live else []
        if chosen and random.random() < 0.1:
            chosen.append(chosen[-1])  # twice, close behind each other
        if random.random() < 0.4:
            chosen.append(self._bogus_handle())
        if judge.issued and random.random() < 0.3:
            chosen.append(random.choice(judge.issued))
        # A handle that is being restored may live before its add is answered.
        pending = judge.adding.handle if judge.adding is not None else None
        chosen = [handle for handle in chosen if handle != pending]
        return dict(zip(random.sample(range(FRAME), len(chosen)), chosen, strict=True))

    def _keys(self) -> list[int]:
        judge, random = self._judge, self._random
        if random.random() < 1 / WATCHED_FRAMES:
            inbound = [key for one in judge.live.values() if not one.is_outbound for key in one.keys]
            self._watched = random.choice(inbound) if inbound and random.random() < 0.5 else None
        asked = [byte % KEYS for byte in random.randbytes(FRAME)] if self._watched is None else [self._watched] * FRAME
        if random.random() < 0.02:
            asked = [key if random.random() < 0.5 else NO_KEY for key in asked]
        return asked

    def _handles(self) -> list[int]:
        judge, random = self._judge, self._random
        outbound = [handle for handle, bundle in judge.live.items() if bundle.is_outbound]
        pool = [
            *(random.choices(outbound, k=10) if outbound else []),
            *random.choices([*judge.live, LIFE], k=2),
            *(random.choices(judge.issued, k=3) if judge.issued else []),
            self._bogus_handle(),
        ]
        asked = random.choices(pool, k=FRAME)
        if random.random() < 0.02:
            asked = [handle if random.random() < 0.5 else NO_KEY for handle in asked]
        return asked

    def _bits(self, bundle: TrafficBundle) -> int:
        keys = [self._judge.keys[number].bits for number in (*bundle.keys, bundle.keys[0])[:2]]
        fields = self._layout
        values = {
            "handle": bundle.handle,
            "direction": int(bundle.is_outbound),
            "sa_count": bundle.sa_count,
            "keys": keys[0] | keys[1] << layouts.KEY.size,
            "context": bundle.context,
        }
        return sum(value << fields[name].offset for name, value in values.items() if fields[name].width)
