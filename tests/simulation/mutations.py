"""Known-bad changes of a line or two of src/: the simulation must find each. tests/simulate --mutations tries them."""
import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@dataclasses.dataclass(frozen=True)
class Mutation:
    name: str  # what is broken, as a claim
    file: str  # below src/
    old: str   # once in the file
    new: str

    @property
    def path(self):
        return "src/" + self.file

    def apply(self, tree):
        """Changes the file below `tree`; gives what it was."""
        path = pathlib.Path(tree) / self.path
        before = path.read_text()
        if before.count(self.old) != 1:
            raise ValueError(f"{self.name}: its text is {before.count(self.old)} times in {self.path}")
        path.write_text(before.replace(self.old, self.new))
        return before


MUTATIONS = (
    # ---- conditions, and what a lost answer leaves open
    Mutation("an_upload_replaces_whatever_is_there", "vfs/uploader.cc",
             "return {.if_match = version, .if_none_match = {}, .if_absent = version.empty()};",
             "return {.if_match = {}, .if_none_match = {}, .if_absent = version.empty()};"),
    Mutation("a_new_file_replaces_whatever_is_there", "vfs/uploader.cc",
             "return {.if_match = version, .if_none_match = {}, .if_absent = version.empty()};",
             "return {.if_match = version, .if_none_match = {}, .if_absent = false};"),
    Mutation("a_repeated_put_has_no_condition", "cos/exchange.cc",
             "  request.headers = call_->headers;\n",
             "  request.headers = call_->headers;\n"
             "  if (uncertain_) request.headers.remove(\"If-Match\"), request.headers.remove(\"If-None-Match\");\n"),
    Mutation("what_an_upload_may_have_stored_is_forgotten", "vfs/uploader.cc",
             "  PAIL_CHECK(names_.attempted(job.number, etag));\n", ""),
    Mutation("whatever_is_there_is_taken_for_our_lost_write", "cos/operations/objects.cc",
             "if (info && same_version(info->etag, write.expected) && holds_metadata(info->headers, write.headers))",
             "if (info)"),
    Mutation("a_conflict_is_forgotten", "vfs/files.cc",
             "  if (!outcome && is_gone(outcome.error())) return keep_conflict(record, outcome.error());\n",
             "  if (!outcome && is_gone(outcome.error())) return Unit{};\n"),
    Mutation("a_copy_is_of_any_version", "cos/operations/copy.cc",
             "if (!request.source_if_match.empty()) to.set(\"x-amz-copy-source-if-match\"",
             "if (false) to.set(\"x-amz-copy-source-if-match\""),

    # ---- answers that are none of the store's
    Mutation("a_redirect_is_a_missing_key", "cos/errors.cc",
             "{307, Fault::redirect, EIO},", "{307, Fault::no_key, ENOENT},"),
    Mutation("the_404_of_a_proxy_is_a_missing_key", "cos/errors.cc",
             "{404, Fault::not_a_store, EIO},", "{404, Fault::no_key, ENOENT},"),
    Mutation("a_bare_404_is_believed_whoever_sent_it", "cos/operations/objects.cc",
             "refusal.has_store_header && service_.bucket_seen().lately(object_.bucket))",
             "service_.bucket_seen().lately(object_.bucket))"),
    Mutation("a_body_that_was_cut_is_filled_with_zeros", "cos/range_sink.cc",
             "    if (read_->position_ == end_) return Complete{};\n",
             "    if (!outcome && read_->position_ < end_)\n"
             "      (void)deliver(std::vector<std::byte>((end_ - read_->position_).n));\n"
             "    if (read_->position_ == end_) return Complete{};\n"),
    Mutation("silence_ends_no_request", "cos/retry_decider.cc",
             "  request.budget = budget_;\n"
             "  request.deadlines.connect = std::min(request.deadlines.connect, left);\n"
             "  request.deadlines.first_byte = first_byte;\n",
             "  request.deadlines.connect = std::min(request.deadlines.connect, left);\n"
             "  request.deadlines.first_byte = first_byte + std::chrono::hours(24);\n"),
    Mutation("a_request_waits_for_its_repetition_for_ever", "cos/exchange.cc",
             "  timer.run_after(*pause, id, [self = shared_from_this()] { self->attempt(); });\n",
             "  (void)shared_from_this();\n"),

    # ---- what must be so before it is answered
    Mutation("a_write_is_answered_before_its_bytes_are_staged", "vfs/files.cc",
             "  return file->write(at, data);\n",
             "  readers_.run(Lane::demand, [file, at, copy = std::vector<std::byte>(data.begin(), data.end())] {\n"
             "    (void)file->write(at, copy);\n"
             "  });\n"
             "  return ByteCount{data.size()};\n"),
    Mutation("a_write_that_ended_early_is_answered_as_whole", "local/staging/staged_file.cc",
             "  return written;\n", "  return ByteCount{data.size()};\n"),
    Mutation("a_write_does_not_reach_the_log", "local/staging/staged_file.cc",
             "  PAIL_CHECK(append_log(LogKind::present, extent));\n  missing_.remove(extent);\n",
             "  missing_.remove(extent);\n"),
    Mutation("a_close_is_answered_before_its_upload", "vfs/bucket_filesystem.cc",
             "  if (!waits) return files_.store(number, epoch_of(handle), Lane::demand, request.stop);\n",
             "  if (!waits) return Unit{};\n"),
    Mutation("an_fsync_stores_nothing", "vfs/bucket_filesystem.cc",
             "handle) {\n  return files_.store(number, epoch_of(handle), Lane::demand, request.stop);\n",
             "handle) {\n  return check_writable() ? Result<Unit>(Unit{})\n"
             "                          : files_.store(number, epoch_of(handle), Lane::demand, request.stop);\n"),
    Mutation("a_request_that_was_answered_is_carried_out_again", "local/names/name_change.cc",
             "  if (request != 0) records_->put_intent(",
             "  if (request != 0 && !std::holds_alternative<Answered>(attempt)) records_->put_intent("),
    Mutation("a_request_that_began_is_begun_again", "vfs/names.cc",
             "  return names_.begun(request.unique, begun);\n",
             "  return request.resent || begun.subject != 0 ? Unit{} : Unit{};\n"),

    # ---- order
    Mutation("the_end_of_a_turn_wakes_nobody", "vfs/turns.cc",
             "  if (queue->second.empty()) queues_.erase(queue);\n  changed_.notify_all();\n",
             "  if (queue->second.empty()) queues_.erase(queue);\n"),
    Mutation("the_end_of_a_turn_wakes_one_of_many", "vfs/turns.cc",
             "  if (queue->second.empty()) queues_.erase(queue);\n  changed_.notify_all();\n",
             "  if (queue->second.empty()) queues_.erase(queue);\n  changed_.notify_one();\n"),
    Mutation("the_gate_opens_and_wakes_nobody", "vfs/tree_gate.cc",
             "  tickets_.erase(ticket);\n  changed_.notify_all();\n", "  tickets_.erase(ticket);\n"),
    Mutation("the_last_fetch_does_not_say_that_it_ended", "vfs/block_reader.cc",
             "  if (--under_way_ == 0) idle_.notify_all();\n", "  --under_way_;\n"),
    Mutation("an_unlink_takes_what_the_name_led_to_before", "vfs/names.cc",
             "  if (!leads_to(place, number)) return Progress::look_again;\n", ""),
    Mutation("a_listing_removes_what_was_made_since", "local/names/name_change.cc",
             "  return since && (inode.changed_seq > since->sequence || store_.uses_.busy(inode.number));\n",
             "  return since && store_.uses_.busy(inode.number);\n"),

    # ---- bytes and attributes
    Mutation("a_block_of_an_old_version_is_served", "cache/block_cache.cc",
             "  std::string text = text_of(version);\n", "  std::string text = version.key;\n"),
    Mutation("a_patch_loses_the_rest_of_the_object", "vfs/files.cc",
             "  const auto whole = hydrate(record, *file, stop);\n  if (!whole && is_gone",
             "  const auto whole = Result<Unit>(Unit{});\n  if (!whole && is_gone"),
    Mutation("o_trunc_empties_nothing", "vfs/bucket_filesystem.cc",
             "  if ((flags & O_TRUNC) != 0)"
             " PAIL_CHECK(files_.truncate(number, found.record.epoch, {}, request.stop));\n",
             ""),
    Mutation("a_file_that_was_cut_shows_its_old_tail_when_it_grows", "local/staging/staged_file.cc",
             "  PAIL_CHECK(set_size(data_.get(), size));\n  size_ = size;\n",
             "  PAIL_CHECK(set_size(data_.get(), std::max(size, size_)));\n  size_ = size;\n"),
    Mutation("the_size_of_a_file_that_is_written_is_that_of_before", "vfs/attribute_view.cc",
             "      record.size = (*file)->size();\n", ""),
    Mutation("a_time_that_was_set_is_lost_in_the_staging_file", "local/staging/staged_file.cc",
             "  return times_.set(modified);\n", "  (void)modified;\n  return Unit{};\n"),
    Mutation("a_time_is_stored_in_whole_seconds", "vfs/object_metadata.cc",
             "  add(\"mtime\", format_time(record.modified));\n",
             "  add(\"mtime\", format_time(std::chrono::floor<std::chrono::seconds>(record.modified)));\n"),
    Mutation("a_listing_tells_versions_apart_by_their_content_alone", "local/names/object_time.cc",
             "return floor<seconds>(record.stored) == second;", "return true;"),

    # ---- removing and renaming
    Mutation("an_unlinked_file_is_dropped_while_it_is_open", "vfs/names.cc",
             "  if (opens_.maybe_open(number)) return;\n", ""),
    Mutation("a_directory_is_removed_with_what_is_in_it", "vfs/names.cc",
             "  PAIL_CHECK(check_empty(found, request.stop));\n", ""),
    Mutation("a_rename_leaves_the_old_object", "vfs/rename.cc",
             "  auto deleted = store_.delete_object(from, stop);\n",
             "  auto deleted = Result<Unit>(Unit{});\n"),
    Mutation("a_renamed_file_does_not_take_what_it_wrote_along", "vfs/rename.cc",
             "  if (!local) PAIL_CHECK(files_.store_in_turn(source.number, std::nullopt, Lane::demand, stop));\n", ""),
    Mutation("a_renamed_file_keeps_the_version_of_before", "local/names/name_events.cc",
             "  source.etag = object.etag;\n", ""),
    Mutation("an_inode_number_is_given_again_after_an_unlink", "local/names/index.cc",
             "void LmdbWrite::erase(InodeNumber number) {\n",
             "void LmdbWrite::erase(InodeNumber number) {\n"
             "  if (number + 1 == index_.inode_counter_.next) index_.inode_counter_.next = number;\n"),
    Mutation("inode_numbers_of_a_killed_process_are_given_again", "local/names/index.cc",
             "    put_meta_number(*environment_, write, counter->meta_key, counter->limit);\n", ""),

    # ---- after a death
    Mutation("what_was_staged_is_dropped_by_the_next_process", "vfs/leftovers.cc",
             "    if (in_use.contains(number)) continue;\n", ""),
    Mutation("a_fresh_mount_does_not_set_aside_what_was_not_stored", "vfs/bucket_filesystem.cc",
             "  PAIL_CHECK(leftovers_.set_aside_unstored());\n", ""),
    Mutation("a_rename_that_a_death_cut_short_is_not_finished", "vfs/bucket_filesystem.cc",
             "  if (!options_.read_only) names_.finish_interrupted();\n", ""),
    Mutation("names_are_trusted_after_a_death_in_doubt", "local/names/name_store.cc",
             "  if (in_doubt) moments_->distrust(change.records());\n", "  (void)in_doubt;\n"),

    # ---- defects that the simulation has found
    Mutation("a_refusal_that_the_store_does_not_bear_out_is_believed", "cos/refusal.cc",
             "if (found != Found::expected) return refused;", "if (found <= Found::nothing) return refused;"),

    Mutation("a_read_does_not_see_that_its_base_was_stored_over", "vfs/staged_read.cc",
             "      if (!fetched && file.missing({at, end}) != gaps) continue;\n", ""),

    # ---- what is left behind
    Mutation("a_file_that_stays_is_not_told_of", "vfs/bucket_filesystem.cc",
             "    if (how.stays) how.stays(unstored(number, file, stored.error(), how.stop));\n", ""),
    Mutation("a_staging_file_stays_after_its_upload", "vfs/files.cc",
             "  content_.remove_file(sent.number);\n", ""),
)

# Known-bad as well, but not shown yet by trials of about two minutes on a busy machine, or not tried yet:
# tests/simulate --mutations tries them by their names.
RARE = (
    Mutation("a_resent_request_has_to_wait_its_turn", "vfs/bucket_filesystem.cc",
             "  names_.keep_turns();\n", ""),
    Mutation("an_unlink_goes_through_the_gate_before_its_turn", "vfs/names.cc",
             "  PAIL_TRY(const auto turn, turn_for(request, number));\n"
             "  PAIL_TRY(auto pass, gate_.enter_name(place.key(), request.stop));\n",
             "  PAIL_TRY(auto pass, gate_.enter_name(place.key(), request.stop));\n"
             "  PAIL_TRY(const auto turn, turn_for(request, number));\n"),
    Mutation("an_upload_does_not_wait_for_the_rename_above_it", "vfs/files.cc",
             "  PAIL_TRY(const auto pass, gate_.enter({number}, stop));\n  InodeRecord record;\n",
             "  InodeRecord record;\n"),
    Mutation("a_rename_does_not_look_again_behind_the_gate", "vfs/rename_directory.cc",
             "  if (!still_there(renaming)) return Progress::look_again;\n", ""),
    Mutation("a_stale_record_is_written_back", "local/names/content_events.cc",
             "  if (inode.changed_seq != decided_on.sequence || content_of(inode) != decided_on.content)"
             " return Taken::stale;\n", ""),
    Mutation("an_old_answer_about_a_name_counts", "local/names/answers.cc",
             "  if (our_last > since.sequence) return Taken::kept;\n"
             "  auto inode = change.inode_at(place);\n"
             "  if (!inode && absent_->dropped_since(place.parent, since.sequence)) return Taken::stale;\n"
             "  if (std::max(directory.listed, change.last_told(place, inode)) > since.moment) return Taken::kept;\n",
             "  auto inode = change.inode_at(place);\n"),
    Mutation("an_old_listing_brings_a_removed_name_back", "local/names/listing_events.cc",
             "  if (our_last > since.sequence) return;\n"
             "  auto inode = change.inode_at(place);\n",
             "  auto inode = change.inode_at(place);\n"
             "  if (!inode) {\n"
             "    auto back = change.new_inode(place, change.records().next_inode_number(), FileType::regular);\n"
             "    describe(change, back, listed, since.moment);\n"
             "    return change.show(back, since.moment, our_last);\n"
             "  }\n"),
    Mutation("a_waiting_block_takes_the_name_of_any_renamed_file", "cache/block_cache.cc",
             "if (const auto renamed = now.find(waiting.content.id); renamed != now.end())",
             "if (const auto renamed = now.begin(); renamed != now.end())"),
    Mutation("a_write_that_failed_leaves_the_file_longer", "local/staging/staged_file.cc",
             "    take_back_growth(extent.end);\n", ""),
    Mutation("a_file_is_opened_by_a_size_that_was_not_shown", "vfs/bucket_filesystem.cc",
             "  if ((flags & O_TRUNC) == 0 && !was_shown(found.record))\n",
             "  if ((flags & O_TRUNC) == 0 && !was_shown(found.record) && flags < 0)\n"),
    Mutation("a_handle_reaches_the_content_of_after_it", "vfs/files.cc",
             "  if (!gone && (!epoch || *epoch == record.epoch)) return Unit{};\n",
             "  if (!gone && (!epoch || *epoch <= record.epoch)) return Unit{};\n"),
    Mutation("an_upload_leaves_the_time_of_before_in_the_names", "local/names/content_events.cc",
             "  inode.modified = content.modified;\n", ""),
    Mutation("an_unlink_leaves_what_a_failed_upload_stored", "vfs/names.cc",
             "  const bool stored = !record.etag.empty() || !record.attempted.empty();\n",
             "  const bool stored = !record.etag.empty();\n"),
    Mutation("the_bytes_of_an_unlinked_open_file_are_not_kept", "vfs/names.cc", "  preserved.keep();\n", ""),
    Mutation("what_a_failed_rename_may_have_made_is_not_looked_up", "vfs/rename.cc",
             "  if (!moved) doubt_target(renaming);\n", ""),
    Mutation("a_tree_is_renamed_although_a_copy_failed", "vfs/rename_directory.cc",
             "    if (copied.failed) return *copied.failed;\n", ""),
    Mutation("a_rename_of_a_tree_that_failed_leaves_its_copies", "vfs/rename_directory.cc",
             "  if (!copied) take_back_copies(renaming, old_tree.keys, copied.error());\n", ""),
    Mutation("old_objects_are_deleted_on_a_guess", "vfs/old_objects.cc",
             "    if (what_ == What::objects) return now.etag == then.etag && now.last_modified == then.modified;\n",
             "    if (what_ == What::objects) return true;\n"),
    Mutation("a_copied_part_file_keeps_the_etag_of_before", "local/names/name_events.cc",
             "  if (based) inode->etag = copied.after;\n", ""),
    Mutation("distrust_of_the_names_ends_with_its_process", "local/names/moments.cc",
             "  trusted_from_ = now();\n  put(records, limit_);\n", "  trusted_from_ = now();\n  (void)records;\n"),
    Mutation("what_an_unlinked_file_did_not_fetch_yet_is_lost", "vfs/files.cc",
             "  if (record.type != FileType::regular || !opens_.maybe_open(record.number)) return Preserved();\n",
             "  if (record.type != FileType::regular || record.content == Content::staged ||"
             " !opens_.maybe_open(number))\n"
             "    return Preserved();\n"),
    Mutation("a_read_takes_a_staging_file_for_one_on_another_base", "vfs/files.cc",
             "again->content == Content::staged && local::content_of(*again) == local::content_of(*record);\n",
             "again->content == Content::staged;\n"),
    Mutation("a_gap_that_is_filled_meanwhile_ends_the_file", "vfs/staged_read.cc",
             "      PAIL_TRY(got, file.read(at, out));  // it was filled between the two looks, or cut off\n",
             "      break;\n"),
    Mutation("a_look_that_failed_says_that_a_write_was_refused", "cos/operations/objects.cc",
             "          if (!info && info.error().fault != Fault::no_key) return then(",
             "          if (!info && info.error().fault == Fault::none) return then("),
    Mutation("a_refused_base_of_a_changed_file_is_not_looked_at", "vfs/files.cc",
             "      return cos::after_look(store_, content.version.key, cos::ETag{content.version.etag}, fetched.error(), stop);\n",
             "      return fetched;\n"),
    Mutation("a_number_takes_any_type", "local/names/name_change.cc",
             "  else if (has_shown_its_type(inode) && inode.type != object.type)\n", "  else if (false)\n"),
    Mutation("an_early_close_stores_what_was_emptied_since", "vfs/files.cc",
             "  return now == over ? store_in_turn(", "  return now ? store_in_turn("),
    Mutation("a_look_during_a_change_is_trusted", "local/names/name_change.cc",
             "  if (!is_at_work || !is_stored_file || inode.unlinked() || is_known) return;\n",
             "  if (!is_at_work || is_stored_file || is_known) return;\n"),
    Mutation("new_attributes_without_an_answer_are_those_of_others", "vfs/files.cc",
             "  return is_copied ? names_.copy_sent(draft) : names_.attributes_sent(draft.number);\n",
             "  return is_copied ? names_.attributes_sent(draft.number) : names_.attributes_sent(draft.number);\n"),
    Mutation("a_read_that_looks_hides_what_others_stored", "vfs/files.cc",
             "turns_.take_to_look(record.number, stop);\n", "turns_.take(record.number, stop);\n"),
    Mutation("an_upload_that_began_is_not_in_the_journal", "vfs/upload_aborts.cc",
             "  if (*answer) notes_.begun(number, key, **answer);\n", "  (void)number;\n"),
    Mutation("a_late_upload_is_left_to_itself", "vfs/upload_aborts.cc",
             "  if (!late) return begun();\n", "  if (!late || late) return begun();\n"),
    Mutation("an_upload_that_was_let_go_is_not_aborted", "vfs/uploader.cc",
             "spdlog::warn(\"{}\", noted.error().context);\n  aborts_.add({number, record->key, record->upload_id});\n",
             "spdlog::warn(\"{}\", noted.error().context);\n"),
    Mutation("the_bytes_of_a_removed_file_outlive_the_next_mount", "vfs/leftovers.cc",
             "    if (!record || record->binding == local::Binding::removed) continue;  // an orphan: its bytes go\n",
             "    if (!record) continue;\n"
             "    if (record->binding == local::Binding::removed) {\n"
             "      content_.leave_base(number);\n"
             "      continue;\n"
             "    }\n"),
    Mutation("what_a_rename_replaced_is_trusted_after_a_death", "local/names/name_store.cc",
             "      change.doubt_replaced(std::get<Begun>(attempt_of(request, intent)));\n", ""),
    Mutation("conditions_are_missing_after_the_writes_of_one_key", "cos/dialect.cc",
             "    if (fact.seems_missing_to.empty()) {\n", "    if (key.empty()) {\n"),
)
