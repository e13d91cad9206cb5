"""Rules made from the cluster's configuration, which the follower keeps in the cache."""

import logging

from router.entries.codec import VERSION
from router.entries.reference_values import content_of
from router.numbers.kazoo_databases import NUMBER_MANAGER, SYSTEM_CONFIG
from router.numbers.rules import Rules
from router.redis_store.cache_store import CacheStore
from router.redis_store.keys import CORRUPT, EPOCH
from router.settings import Settings
from router.settings.rules import build_rules_or_defaults

log = logging.getLogger(__name__)


def read_rules(settings: Settings, cache: CacheStore) -> Rules:
    """Return the rules in force: the settings over system_config's number_manager in the cache.

    The settings alone decide where the configuration can't be used; the log says so.

    Raises:
        redis.RedisError: Redis can't be asked.
    """
    key = cache.keys.documents(SYSTEM_CONFIG)
    stored = cache.redis.hget(key, NUMBER_MANAGER)
    try:
        section = content_of(SYSTEM_CONFIG, (stored or b"")[VERSION:])
    except ValueError:
        log.error("Redis holds a corrupt number_manager of system_config: it is read again")
        cache.redis.hset(key, EPOCH, CORRUPT)  # the integrity checker finds the mark
        section = None
    return build_rules_or_defaults(settings, section)


def is_complete(cache: CacheStore) -> bool:
    """Return whether the cache holds system_config; without it `read_rules` returns the default rules.

    Raises:
        redis.RedisError: Redis can't be asked.
    """
    (epoch,) = cache.checkpoints.epochs([SYSTEM_CONFIG])
    return all(cache.documents.are_of_epochs([SYSTEM_CONFIG], [epoch]))
