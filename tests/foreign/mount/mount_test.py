#!/usr/bin/env python3
"""The programs of tests/mount/programs on mounts of stores that nobody here wrote."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "mount/programs"))
import harness
import programs_test as programs
from stores import Moto, Versitygw


def a_512_mib_file_comes_back_the_same(place):
    programs.large_file(place, 512)


def names_of_all_kinds_are_kept(place):
    # Neither store keeps keys with control characters: docs/client-library.md.
    programs.odd_names(place, [name for name in programs.ODD_NAMES if name.isprintable()])


if __name__ == "__main__":
    harness.main([programs.a_git_clone_of_1000_files_is_whole, programs.tar_extracts_byte_for_byte,
                  programs.a_second_rsync_transfers_nothing, programs.an_sqlite_database_is_filled_and_checked,
                  programs.an_editor_saves_over_the_old_file, a_512_mib_file_comes_back_the_same,
                  programs.everything_closed_survives_every_end, names_of_all_kinds_are_kept,
                  programs.a_renamed_directory_takes_everything_along], [Versitygw, Moto])
