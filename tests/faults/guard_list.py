"""The guards: what keeps answers right, and the test that notices when it is taken out."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ON_A_CLUSTER = "tests/integration/cluster/test_following_a_cluster.py"
_STUCK = "tests/integration/cluster/test_stuck_feeds.py"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, and how to take it out.

    Attributes:
        file, text, without: where it stands (exactly once), and what is put in its place.
        test: that fails then.
    """

    name: str
    file: str
    text: str
    without: str
    test: str

    def is_there(self) -> bool:
        """Return whether its text stands in the product exactly once."""
        return (ROOT / self.file).read_text("utf-8").count(self.text) == 1


GUARDS = (
    Guard(
        "versioned write",
        "router/redis_store/scripts/version.lua",
        "if a[i] < b[i] then return -1 end",
        "if a[i] < b[i] then return 1 end",
        "tests/component/redis_store/test_versioned_writes.py::test_filler_never_replaces_what_is_newer",
    ),
    Guard(
        "tombstone outlives a slow reader",
        "router/redis_store/scripts/entry.lua",
        "return kind == 'X' or kind == 'T' or kind == 'N'",
        "return kind == 'X' or kind == 'N'",
        "tests/component/redis_store/test_versioned_writes.py::test_deletion_outlives_a_slow_reader",
    ),
    Guard(
        "checksum of an entry",
        "router/entries/codec.py",
        'return crc32(value[HEADER:], crc32(value[:_WRITTEN])) == int.from_bytes(value[_SUM:HEADER], "big")',
        "return True",
        "tests/component/redis_store/test_foreign_values.py::test_one_byte_that_is_another_is_noticed_wherever_it_stands",
    ),
    Guard(
        "in-flight rule of the near cache",
        "router/near_cache/cache.py",
        "self._invalidated.get(number, -1) > generation",
        "False",
        "tests/unit/near_cache/test_cache.py::test_change_during_a_fetch_forbids_keeping_it",
    ),
    Guard(
        "listings hear what changed",
        "router/near_cache/cache.py",
        "self.negative_ranges.changed(number)",
        "pass",
        "tests/unit/near_cache/test_cache.py::test_change_ends_what_a_listing_says_of_a_number",
    ),
    Guard(
        "near cache forgets while its connection is down",
        "router/near_cache/cache.py",
        "                self._near.clear()\n                self._trust",
        "                self._trust",
        "tests/component/near_cache/test_invalidations.py::test_lost_connection_is_trusted_again_after_a_clear",
    ),
    Guard(
        "fencing",
        "router/redis_store/scripts/apply.lua",
        "if (tonumber(state[1] or '0') or 0) > tonumber(ARGV[1]) then return {'fenced'} end\n",
        "",
        "tests/integration/test_follower_leadership.py::test_stale_fencing_token_is_refused",
    ),
    Guard(
        "checkpoint moves with the data",
        "router/redis_store/scripts/apply.lua",
        "if (state[2] or '') ~= ARGV[2] or (state[3] or '') ~= ARGV[3] then return {'checkpoint_conflict'} end\n",
        "",
        "tests/component/redis_store/test_checkpoints.py::test_another_writers_step_refuses_ours",
    ),
    Guard(
        "epoch",
        "router/redis_store/scripts/fill.lua",
        "if epoch ~= ARGV[1] then return -1 end\n",
        "",
        "tests/integration/test_lookup_waiting.py::test_read_from_before_a_rebuild_is_answered_and_not_kept",
    ),
    Guard(
        "instance_start_time",
        "router/redis_store/checkpoints.py",
        "return self.instance_start_time == instance_start_time and purge_seq <= self.purge_seq",
        "return purge_seq <= self.purge_seq",
        "tests/integration/test_following_shards.py::test_shard_recreated_while_down_is_rebuilt",
    ),
    Guard(
        "purges",
        "router/redis_store/checkpoints.py",
        "return self.instance_start_time == instance_start_time and purge_seq <= self.purge_seq",
        "return self.instance_start_time == instance_start_time",
        "tests/integration/test_following_documents.py::test_document_purged_loses_its_entry",
    ),
    Guard(
        "purges by their number",
        "router/couch/responses.py",
        'number_of(str(info.get("purge_seq", ""))),',
        'hash(str(info.get("purge_seq", ""))),',
        "tests/unit/couch/test_responses.py::test_purges_are_counted_whatever_copies_the_text_names",
    ),
    Guard(
        "copies compared one by one",
        "router/couch/responses.py",
        'copies_in(str(info.get("update_seq", ""))),',
        '{"": str(info.get("update_seq", ""))},',
        f"{_ON_A_CLUSTER}::test_sweeps_of_an_idle_cluster_ask_for_nothing_else",
    ),
    Guard(
        "an undecided change is looked up again",
        "router/follower/applier.py",
        "            self.on_undecided(database, epoch, undecided)\n",
        "            pass\n",
        f"{_ON_A_CLUSTER}::test_undecided_change_is_looked_up_until_the_copies_know_it",
    ),
    Guard(
        "an undecided change stays in the checkpoint",
        "router/follower/reconciler.py",
        "                self._older.recheck(name, checkpoint.epoch, checkpoint.older)\n",
        "                pass\n",
        f"{_ON_A_CLUSTER}::test_undecided_change_outlives_its_follower",
    ),
    Guard(
        "accepted writes are read back",
        "router/couch/database.py",
        'if row.get("accepted") is True}',
        "if False}",
        "tests/integration/manager/test_write_step.py::test_two_writers_of_one_number_are_never_both_reported_yes",
    ),
    Guard(
        "a document that two withdraw is written again",
        "router/couch/accepted.py",
        "if _is_orphaned(left.get(each, ()), revisions_of[each])",
        "if False",
        "tests/unit/couch/test_accepted.py::test_document_that_both_withdraw_is_written_again",
    ),
    Guard(
        "one of two accepted writes stands",
        "router/couch/accepted.py",
        "            if not leading:\n",
        "            if True:\n",
        "tests/unit/couch/test_accepted.py::test_write_that_couchdb_serves_holds_when_its_rival_withdraws",
    ),
    Guard(
        "a write is no rival of the document that it changed",
        "router/couch/accepted.py",
        "if generation_of(leaf.revision) >= generation]",
        "if generation]",
        "tests/unit/couch/test_accepted.py::test_write_is_not_withdrawn_for_the_document_that_it_changed",
    ),
    Guard(
        "a withdrawal goes to the node that was read",
        "router/couch/database.py",
        "HeldNode(self._client.nodes)",
        "self._client.nodes",
        "tests/integration/manager/test_write_step.py::test_withdrawal_goes_to_the_node_that_was_read",
    ),
    Guard(
        "a conflict proves no withdrawal",
        "router/couch/accepted.py",
        "return any(revision in leaf.ancestors for leaf in left)",
        "return True",
        "tests/unit/couch/test_accepted.py::test_withdrawal_that_no_node_could_carry_out_is_unconfirmed",
    ),
    Guard(
        "a document that is written again keeps its rivals",
        "router/couch/accepted.py",
        "_rivals(leaves.get(each, ()), revisions[each], generations[each])",
        "_rivals(leaves.get(each, ()), revisions[each], generation_of(revisions[each]))",
        "tests/unit/couch/test_accepted.py::test_document_written_again_is_withdrawn_for_a_first_rival",
    ),
    Guard(
        "nothing is written again over a rival that is not seen",
        "router/couch/accepted.py",
        "if not is_careful or _are_known(leaves.get(each, ()), orphans[each].rivals)]",
        "]",
        "tests/unit/couch/test_accepted.py::test_document_is_not_written_again_at_a_node_that_lacks_the_rival",
    ),
    Guard(
        "a slow lookup writes over nothing that a follower wrote",
        "router/redis_store/scripts/fill.lua",
        "ARGV[2] == '1' and epoch ~= ''",
        "false",
        "tests/component/redis_store/test_versioned_writes.py::test_slow_lookup_never_replaces_a_resolved_conflict",
    ),
    Guard(
        "a feed check that was queued too early",
        "router/follower/scheduler.py",
        "            if database.check_queued:\n",
        "            if False:\n",
        "tests/unit/follower/test_scheduler.py::test_check_that_was_queued_too_early_is_scheduled_again",
    ),
    Guard(
        "a listing removes nothing on the word of one copy",
        "router/follower/listing_catch_up.py",
        "            if unknown:\n",
        "            if False:\n",
        "tests/unit/follower/test_listing_catch_up.py"
        "::test_number_that_one_copy_lacks_is_removed_if_the_others_lack_it",
    ),
    Guard(
        "a write that was withdrawn proves nothing",
        "router/manager/job.py",
        "withdrawn=withdrawn or pending.withdrawn,",
        "withdrawn=pending.withdrawn,",
        "tests/integration/cluster/test_withdrawn_writes.py::test_create_that_was_withdrawn_is_refused",
    ),
    Guard(
        "after a withdrawal every copy is read",
        "router/manager/read_step.py",
        "if every_copy else",
        "if False else",
        "tests/integration/cluster/test_withdrawn_writes.py::test_move_that_was_withdrawn_is_made_again_on_the_rivals",
    ),
    Guard(
        "a sweep that is asked for",
        "router/follower/reconciler.py",
        "self._thread.wait(self._interval / len(batches))",
        "self._thread._stopping.wait(self._interval / len(batches))",
        f"{_ON_A_CLUSTER}::test_sweep_that_is_asked_for_ends_the_one_that_sleeps",
    ),
    Guard(
        "listing where changes can't be had",
        "router/follower/worker.py",
        "changes = self._catch_up.confirm(database, self._stop, is_in_doubt=in_doubt)",
        "changes: set[str] = set()",
        f"{_STUCK}::test_feed_that_drops_rows_is_passed_by_listing",
    ),
    Guard(
        "a node that is cut off is left",
        "router/couch/nodes.py",
        "return 0 < heard <= members // 2",
        "return False",
        "tests/integration/test_several_nodes.py::test_node_that_is_cut_off_gets_no_requests",
    ),
    Guard(
        "a shard split is no new database",
        "router/follower/catch_up.py",
        "return not database.deletion_reported or (info.age is not None and info.age > YOUNG_AGE)",
        "return not database.deletion_reported",
        f"{_ON_A_CLUSTER}::test_shard_split_is_no_other_database",
    ),
    Guard(
        "another feed after a shard split",
        "router/follower/worker.py",
        "if database.deletion_reported or database.overtaken:",
        "if database.overtaken:",
        f"{_STUCK}::test_database_that_is_reported_deleted_and_exists_gets_another_feed",
    ),
    Guard(
        "listing after a step of a shard split",
        "router/follower/worker.py",
        "is_stuck=is_stuck or database.deletion_reported)",
        "is_stuck=is_stuck)",
        f"{_STUCK}::test_database_that_is_reported_deleted_and_exists_is_listed",
    ),
    Guard(
        "a shard split that is not read yet marks answers",
        "router/server/admin/readiness.py",
        "or follower.split_lag > _MAX_SPLIT_LAG",
        "or follower.split_lag > follower.split_lag",
        "tests/integration/test_lookup_following.py::test_follower_behind_a_shard_split_makes_caches_stale",
    ),
    Guard(
        "rows that a shard split repeats are not read one by one",
        "router/follower/catch_up.py",
        "if database.deletion_reported and not loading:",
        "if False:",
        "tests/unit/follower/test_catch_up.py::test_full_page_of_a_database_reported_deleted_ends_the_reading",
    ),
    Guard(
        "a feed that misses changes is replaced",
        "router/follower/worker.py",
        "if database.deletion_reported or database.overtaken:",
        "if database.deletion_reported:",
        f"{_STUCK}::test_feed_that_misses_changes_is_replaced",
    ),
    Guard(
        "what was listed is read when its changes can be had",
        "router/follower/listing_catch_up.py",
        "            self._cache.checkpoints.record_stuck(database.name, stuck)\n",
        '            stuck = ""\n',
        f"{_STUCK}::test_change_missing_from_a_listing_is_read_once_possible",
    ),
    Guard(
        "a change that can't be looked up is looked up later",
        "router/follower/applier.py",
        "            undecided = changes\n",
        "            raise\n",
        "tests/unit/follower/test_applier.py::test_older_change_that_cannot_be_looked_up_is_undecided",
    ),
    Guard(
        "a look-up without a response decides nothing",
        "router/follower/older_changes.py",
        "            undecided, answered = pending.changes, False\n",
        "            undecided = {}\n",
        "tests/unit/follower/test_older_changes.py::test_look_without_a_response_counts_as_undecided",
    ),
    Guard(
        "a page of a former instance is not applied",
        "router/follower/listed_changes.py",
        "            if page.epoch != database.checkpoint.epoch:\n",
        "            if False:\n",
        "tests/unit/follower/test_listed_changes.py::test_page_of_a_former_instance_is_not_applied",
    ),
    Guard(
        "a quiet feed that brings no row for an event is checked at once",
        "router/follower/scheduler.py",
        "if in_doubt or database.overtaken or database.is_splitting(now):",
        "if database.overtaken or database.is_splitting(now):",
        "tests/unit/follower/test_scheduler.py::test_feed_that_may_be_deaf_is_checked_more_often",
    ),
    Guard(
        "an unknown copy beside one that moved hides nothing",
        "router/redis_store/checkpoints.py",
        "return len(recorded) < len(copies) and recorded.items() <= self.copies.items()",
        "return len(recorded) < len(copies)",
        "tests/unit/follower/test_reconciler.py::test_sweep_by_the_copies_that_answer",
    ),
    Guard(
        "an answer that hangs is asked for again",
        "router/follower/catch_up.py",
        "            return self.quick.database(name).info()\n",
        "            return self._couch.database(name).info()\n",
        f"{_STUCK}::test_one_request_that_hangs_does_not_hold_a_database_up",
    ),
    Guard(
        "a young database that is called deleted",
        "router/follower/catch_up.py",
        "return not database.deletion_reported or (info.age is not None and info.age > YOUNG_AGE)",
        "return True",
        "tests/integration/test_following_shards.py::test_shard_recreated_within_a_second_is_rebuilt",
    ),
)
