// Texts made from the tables of commands and options.
#pragma once

#include <string>
#include <string_view>

#include "cli/command_line.h"
#include "pailfs/base/result.h"

namespace pail::cli {

std::string program_help();
std::string command_help(const CommandRow& row);
std::string manual_page();        // pailfs(8), for man(1)
std::string mount_manual_page();  // mount.pailfs(8)
std::string bash_completion();
std::string options_markdown();  // docs/options.md
std::string s3fs_markdown();     // the table of "Coming from s3fs" in docs/mounting.md

// By the name that `pailfs generate` takes. Errors: EINVAL, naming what there is.
Result<std::string> generated_text(std::string_view what);

}  // namespace pail::cli
