#!/usr/bin/env python3
"""The programs of tests/mount/programs on mounts of stores that nobody here wrote."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "mount/programs"))
import harness
import kill_drill_test as kill_drill
import programs_test as programs
from stores import Moto, Versitygw


def a_512_mib_file_comes_back_the_same(place):
    programs.large_file(place, 512)


def names_of_all_kinds_are_kept(place):
    # Neither store keeps keys with control characters: docs/client-library.md.
    programs.odd_names(place, [name for name in programs.ODD_NAMES if name.isprintable()])


def name_operations_match_a_model(place):
    kill_drill.name_operations_match_a_model(place, kills=5)


if __name__ == "__main__":
    harness.main([programs.a_git_clone_of_1000_files_is_whole, programs.tar_extracts_byte_for_byte,
                  programs.a_second_rsync_transfers_nothing, programs.an_sqlite_database_is_filled_and_checked,
                  programs.an_editor_saves_over_the_old_file, a_512_mib_file_comes_back_the_same,
                  programs.everything_closed_survives_every_end,
                  programs.an_open_file_is_stored_when_the_mount_is_told_to_end,
                  kill_drill.what_was_closed_is_there_after_the_supervisor_dies_too, names_of_all_kinds_are_kept,
                  programs.a_renamed_directory_takes_everything_along,
                  programs.a_directory_of_several_pages_is_listed_whole, name_operations_match_a_model,
                  programs.locks_and_shared_mappings_work_between_processes], [Versitygw, Moto])
