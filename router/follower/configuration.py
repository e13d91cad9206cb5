"""The cluster's configuration as the follower keeps it in the cache, made into rules."""

import json
import logging

from router.entries.codec import VERSION
from router.numbers.kazoo_databases import NUMBER_MANAGER, SYSTEM_CONFIG
from router.numbers.rules import Rules
from router.redis_store.cache_store import CacheStore
from router.redis_store.keys import CORRUPT, EPOCH
from router.settings import Settings
from router.settings.rules import build_rules_or_defaults

log = logging.getLogger(__name__)


def read_rules(settings: Settings, writer: CacheStore) -> Rules:
    """The rules in force: our settings over what the cache holds of system_config's number_manager.

    A configuration that can't be used gives way to our settings alone, with a line in the log.

    Raises:
        redis.RedisError: Redis can't be asked.
    """
    kept = writer.redis.hget(writer.keys.documents(SYSTEM_CONFIG), NUMBER_MANAGER)
    try:
        section = json.loads(kept[VERSION:]) if kept and len(kept) > VERSION else None
    except (ValueError, RecursionError):
        log.error("Redis holds something else where system_config's number_manager belongs: it is read again")
        writer.redis.hset(writer.keys.documents(SYSTEM_CONFIG), EPOCH, CORRUPT)  # the leading follower looks there
        section = None
    return build_rules_or_defaults(settings, section)


def is_complete(writer: CacheStore) -> bool:
    """Whether the cache holds system_config: rules that are read from a cache that lost it would be the default ones.

    Raises:
        redis.RedisError: Redis can't be asked.
    """
    (epoch,) = writer.checkpoints.epochs([SYSTEM_CONFIG])
    return all(writer.documents.are_of_epochs([SYSTEM_CONFIG], [epoch]))
