#include "cli/texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/log.h"
#include "cli/mount_options.h"
#include "cli/s3fs_options.h"

namespace pail::cli {
namespace {

constexpr std::size_t kWidth = 100;  // of --help, columns

// Words of `text` in lines of at most kWidth, each beginning with `indent` spaces but the first.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + end > kWidth) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string with_fallback(std::string_view help, std::string_view fallback) {
  return fallback.empty() ? std::string(help) : fmt::format("{} Default: {}.", help, fallback);
}

std::string label(const OptionRow& row) {
  return row.value.empty() ? std::string(row.name) : fmt::format("{}={}", row.name, row.value);
}

std::string label(const Argument& argument) {
  std::string name(argument.name);
  if (const auto comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
  return argument.value.empty() ? name : fmt::format("{} {}", name, argument.value);
}

std::string help_line(std::string_view name, std::string_view help) {
  constexpr std::size_t kColumn = 26;
  const std::string lead = fmt::format("  {:<{}}", name, kColumn - 2);
  const std::string next = lead.ends_with(' ') ? "" : "\n" + std::string(kColumn, ' ');
  return lead + next + wrapped(help, kColumn) + "\n";
}

std::string help_of_options() {
  std::string out;
  for (const OptionGroup& group : mount_option_groups()) {
    out += fmt::format("\n{}, with -o:\n", group.title);
    for (const OptionRow& row : group.rows) out += help_line(label(row), with_fallback(row.help, row.fallback));
  }
  return out;
}

// ---- manual pages ----

// Text that roff does not take for a request or an escape.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

std::string roff_item(std::string_view name, std::string_view help) {
  return fmt::format(".TP\n.B {}\n{}\n", roff(name), roff(help));
}

std::string roff_head(std::string_view title, std::string_view summary) {
  return fmt::format(".TH {} 8 \"\" \"pailfs {}\" \"System administration\"\n.SH NAME\n{} \\- {}\n", title,
                     PAILFS_VERSION, title, roff(summary));
}

std::string roff_options() {
  std::string out;
  for (const OptionGroup& group : mount_option_groups()) {
    out += fmt::format(".SS {}\n", roff(group.title));
    for (const OptionRow& row : group.rows) out += roff_item(label(row), with_fallback(row.help, row.fallback));
  }
  return out;
}

constexpr std::string_view kManualFiles = R"(.SH FILES
.TP
.B ~/.bluemix/cos_credentials
Service credential, where no option names one.
.TP
.B ~/.aws/credentials, ~/.aws/config
Sections of keys.
.TP
.B ~/.passwd\-s3fs, /etc/passwd\-s3fs
Keys as s3fs keeps them.
.TP
.B /var/lib/pailfs, ~/.local/state/pailfs
Names, files that are being written, and those that could not be stored.
.TP
.B /var/cache/pailfs, ~/.cache/pailfs
Cached blocks.
.SH ENVIRONMENT
.B IBM_API_KEY_ID, IBM_SERVICE_INSTANCE_ID, IBM_AUTH_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
.B AWS_SESSION_TOKEN, AWS_PROFILE, COS_CREDENTIALS_FILE
are credentials or name them. Secrets are removed from the environment at start.
.SH EXIT STATUS
0 when the files can be used, or after
.B umount
when everything is in the bucket; 1 for a wrong command line, or where
.B umount
finds no mount of pailfs; 32 when mounting failed, or when files could not be
stored at the end, with the reason on stderr.
)";

constexpr std::string_view kManualFstab = R"(.SH FSTAB
.nf
my\-bucket  /mnt/b  pailfs  _netdev,nofail,x\-systemd.automount,region=eu\-de,credentials=/etc/pailfs/cred.json,allow_other  0 0
.fi
.PP
Spaces in the prefix are written \e040. Relative paths are not meant for fstab.
)";

// ---- completion ----

std::string words_of_options() {
  std::string out;
  for (const OptionGroup& group : mount_option_groups())
    for (const OptionRow& row : group.rows)
      if (!row.name.ends_with('*')) out += fmt::format("{}{} ", row.name, row.value.empty() ? "" : "=");
  return out;
}

std::string words_of_arguments(const CommandRow& row) {
  std::string out = "--help";
  for (const Argument& argument : row.arguments) {
    if (argument.positional()) continue;
    std::string names(argument.name);
    std::ranges::replace(names, ',', ' ');
    out += ' ' + names;
  }
  return out;
}

constexpr std::string_view kCompletionBody = R"(
# Completes the last of the options behind -o, which are separated by commas.
_pailfs_mount_options() {
  local done="" last="$1"
  if [[ $last == *,* ]]; then
    done="${last%,*},"
    last="${last##*,}"
  fi
  case $last in
    credentials=*|passwd_file=*|ca_bundle=*|state_dir=*|cache_dir=*)
      COMPREPLY=($(compgen -f -P "$done${last%%=*}=" -- "${last#*=}")) ;;
    *)
      COMPREPLY=($(compgen -P "$done" -W "$_pailfs_options" -- "$last")) ;;
  esac
  compopt -o nospace
}

_pailfs() {
  local current previous words cword
  # Options hold '=' and ':', which bash would take for the ends of words.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n =: -c current -p previous -w words -i cword
  else
    current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
  fi
  if ((cword == 1)); then
    COMPREPLY=($(compgen -W "${!_pailfs_commands[*]} --help --version" -- "$current"))
  elif [[ $previous == -o ]]; then
    _pailfs_mount_options "$current"
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "${_pailfs_commands[${words[1]}]}" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
    compopt -o filenames
  fi
}

complete -F _pailfs pailfs
)";

std::string markdown_cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string program_help() {
  std::string out =
      "pailfs " PAILFS_VERSION ": buckets of IBM Cloud Object Storage and other S3 stores as directories\n\n";
  for (const CommandRow& row : commands())
    if (!row.hidden) out += fmt::format("  pailfs {}\n      {}\n", synopsis(row), row.summary);
  out += "\n  pailfs COMMAND --help explains a command, pailfs --version names the version.\n";
  out += "\n  mount -t pailfs BUCKET DIR -o OPTIONS and lines of /etc/fstab work too.\n";
  return out + help_of_options();
}

std::string command_help(const CommandRow& row) {
  std::string out =
      fmt::format("usage: pailfs {}\n\n{}\n\n{}\n\n", synopsis(row), row.summary, wrapped(row.description, 0));
  for (const Argument& argument : row.arguments)
    out += help_line(label(argument), with_fallback(argument.help, argument.fallback));
  const bool takes_options = row.command == Command::mount || row.command == Command::doctor;
  return takes_options ? out + help_of_options() : out;
}

std::string manual_page() {
  std::string out = roff_head("pailfs", "buckets of IBM Cloud Object Storage and other S3 stores as directories");
  out += ".SH SYNOPSIS\n";
  for (const CommandRow& row : commands())
    if (!row.hidden) out += fmt::format(".B pailfs {}\n.br\n", roff(synopsis(row)));
  out += ".SH COMMANDS\n";
  for (const CommandRow& row : commands()) {
    if (row.hidden) continue;
    out += fmt::format(".SS pailfs {}\n{} {}\n", roff(synopsis(row)), roff(row.summary), roff(row.description));
    for (const Argument& argument : row.arguments)
      out += roff_item(label(argument), with_fallback(argument.help, argument.fallback));
  }
  out +=
      ".SH OPTIONS\nBehind\n.BR \\-o ,\nseparated by commas. A comma within a value is written \\e, and a backslash "
      "\\e\\e.\n";
  out += roff_options();
  out += kManualFiles;
  out += ".SH SEE ALSO\n.BR mount.pailfs (8),\n.BR mount (8),\n.BR fstab (5),\n.BR fuse (4)\n";
  return out;
}

std::string mount_manual_page() {
  std::string out = roff_head("mount.pailfs", "mount a bucket by mount(8)");
  out += ".SH SYNOPSIS\n.B mount \\-t pailfs BUCKET[:/PREFIX] DIR [\\-o OPTIONS]\n";
  out +=
      ".SH DESCRIPTION\nCalled by\n.BR mount (8)\nfor the types pailfs and fuse.pailfs. The bucket is mounted as by\n"
      ".BR pailfs (8).\n";
  out += kManualFstab;
  out += ".SH OPTIONS\n" + roff_options();
  out += ".SH SEE ALSO\n.BR pailfs (8),\n.BR mount (8),\n.BR fstab (5),\n.BR systemd.mount (5)\n";
  return out;
}

std::string bash_completion() {
  std::string out = "# Completion of pailfs for bash; made from its table of options.\n";
  out += fmt::format("_pailfs_options=\"{}\"\ndeclare -A _pailfs_commands=(\n", words_of_options());
  for (const CommandRow& row : commands())
    if (!row.hidden) out += fmt::format("  [{}]=\"{}\"\n", row.name, words_of_arguments(row));
  out += ")\n";
  out += kCompletionBody;
  return out;
}

std::string options_markdown() {
  std::string out =
      "# Options\n\n"
      "What stands behind `-o`, in `pailfs mount`, `mount -t pailfs` and `/etc/fstab`. Options are separated by "
      "commas; a\n"
      "comma within a value is written `\\,` and a backslash `\\\\`. Later options win. Sizes take `KiB`, `MiB`, `GiB` "
      "and\n"
      "`TiB` (also `K`, `M`, `G`, `T`) and the decimal `KB`, `MB`, `GB`, `TB`; times are seconds or take `ms`, `s`,\n"
      "`m`, `h`, `d`.\n\n"
      "This page is made by `pailfs generate options`; the table it comes from is `src/cli/mount_options.cc`.\n";
  for (const OptionGroup& group : mount_option_groups()) {
    out += fmt::format("\n## {}\n\n| Option | Default | Meaning |\n|---|---|---|\n", group.title);
    for (const OptionRow& row : group.rows)
      out += fmt::format("| `{}` | {} | {} |\n", markdown_cell(label(row)), markdown_cell(row.fallback),
                         markdown_cell(row.help));
  }
  return out;
}

std::string s3fs_markdown() {
  std::string out = "| s3fs | Here |\n|---|---|\n";
  std::string names;
  const auto options = s3fs_options();
  for (std::size_t i = 0; i < options.size(); ++i) {
    names += fmt::format("{}`{}`", names.empty() ? "" : ", ", options[i].name);
    if (i + 1 < options.size() && options[i + 1].here == options[i].here) continue;
    out += fmt::format("| {} | {} |\n", names, options[i].here);
    names.clear();
  }
  return out;
}

Result<std::string> generated_text(std::string_view what) {
  if (what == "man") return manual_page();
  if (what == "mount-man") return mount_manual_page();
  if (what == "completion") return bash_completion();
  if (what == "options") return options_markdown();
  if (what == "s3fs") return s3fs_markdown();
  return Error{EINVAL, fmt::format("{}: expected man, mount-man, completion, options or s3fs", quote(what))};
}

}  // namespace pail::cli
