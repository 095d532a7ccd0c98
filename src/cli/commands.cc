#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/command_line.h"

namespace pail::cli {
namespace {

using L = CommandLine;

constexpr Argument kSource{"BUCKET",
                           "",
                           "",
                           "Bucket to use: BUCKET, BUCKET:/PREFIX for the part below a prefix, or "
                           "s3://BUCKET/PREFIX.",
                           &L::source,
                           true};
constexpr Argument kOptions{"-o", "OPTIONS", "", "Options, separated by commas; may be given several times.",
                            &L::options};

constexpr auto kMount = std::to_array<Argument>({
    kSource,
    {"DIR", "", "", "Where the bucket appears: a directory that exists.", &L::directory, true},
    kOptions,
    {"-f,--foreground", "", "", "Stay in the foreground and log to stderr.", &L::foreground},
});

constexpr auto kUmount = std::to_array<Argument>({
    {"DIR", "", "", "The mount point.", &L::directory, true},
});

constexpr auto kServe = std::to_array<Argument>({
    {"DIR", "", "", "Where the buckets lie; made where missing.", &L::directory, true},
    {"--listen", "HOST:PORT", "127.0.0.1:9000", "Address to listen on; port 0 takes a free one.", &L::listen},
    {"--credentials", "FILE", "DIR/credentials.json",
     "Service credential JSON whose API key and HMAC keys are "
     "accepted. Without it one is made.",
     &L::credentials},
    {"--bucket", "NAME", "", "Bucket to make where missing; may be given several times.", &L::buckets},
    {"--latency", "TIME", "0", "Wait this long before each answer, such as 30ms.", &L::latency},
    {"--bandwidth", "SIZE", "no limit", "Bytes per second of each connection, such as 100MB.", &L::bandwidth},
    {"--access-log", "FILE", "", "Append a line of JSON for each request.", &L::access_log},
    {"--tls", "", "", "Serve https with a certificate that is made in DIR.", &L::tls},
    {"--certificate", "FILE", "", "Serve https with this certificate (PEM).", &L::certificate},
    {"--private-key", "FILE", "", "Its private key (PEM).", &L::private_key},
    {"--domain", "NAME", "localhost",
     "Domain below which host names begin with a bucket's name; may be given several "
     "times.",
     &L::domains},
});

constexpr auto kDoctor = std::to_array<Argument>({
    {"BUCKET", "", "", "Bucket to try: BUCKET or BUCKET:/PREFIX.", &L::source},
    kOptions,
});

constexpr auto kRecover = std::to_array<Argument>({
    {"ACTION", "", "",
     "list: what is kept, and what ended mounts left that none has kept yet. show: all that is known of a file. store: "
     "put it into its bucket and keep it no more. "
     "export: copy its bytes to FILE. drop: remove it.",
     &L::action, true},
    {"ID", "", "", "Which file, as list names it. With list: only those of this bucket.", &L::kept},
    {"FILE", "", "", "With export: where the bytes go; must not exist.", &L::file},
    {"--state-dir", "DIR", "/var/lib/pailfs for root, else ~/.local/state/pailfs",
     "The state_dir of the mounts whose files are meant.", &L::state_dir},
    {"--cache-dir", "DIR", "",
     "The cache_dir of mounts of version 0.1.0, which kept files there until the next mount takes them over.",
     &L::cache_dir},
    {"--as", "KEY", "the file's own", "With store: the key to store it under.", &L::as},
    {"--overwrite", "", "", "With store: replace an object that has the key.", &L::overwrite},
    {"--json", "", "", "With list and show: everything, as JSON.", &L::json},
    {"-o", "OPTIONS", "",
     "With store: the store and credentials, as for mount; without url= and region= that of the "
     "mount.",
     &L::options},
});

constexpr auto kGenerate = std::to_array<Argument>({
    {"WHAT", "", "", "man, mount-man, completion, options or s3fs.", &L::what, true},
});

constexpr auto kCommands = std::to_array<CommandRow>({
    {"mount", "Mount a bucket at a directory.",
     "Returns when the files can be used, or with the reason on stderr and a status that is not 0. The file system "
     "then "
     "runs in the background until it is unmounted.",
     kMount, Command::mount},
    {"umount", "Unmount it and wait until everything is in the bucket.",
     "Does what umount(8) does, also for users who mounted it themselves, and waits for the uploads that are pending. "
     "Names each file that could not be stored, why, and where its bytes are kept; the status is then not 0.",
     kUmount, Command::umount},
    {"serve", "Run an object store in a directory, for trying and testing.",
     "Speaks the protocol of IBM Cloud Object Storage with HMAC keys and API keys. Prints one line with its URL when "
     "it "
     "is ready and ends on SIGTERM or SIGINT.",
     kServe, Command::serve},
    {"doctor", "Explain which credentials, endpoint and rights a mount would have.",
     "Tries each step of a mount and prints what it found. Nothing is changed, no secret is shown.", kDoctor,
     Command::doctor},
    {"recover", "Find files that could not be stored, and store them after all.",
     "What was written and could not be brought into the bucket, because another writer was first or the mount ended "
     "before, is kept in the state directory. An object is never replaced without --overwrite. Mounts may be running.",
     kRecover, Command::recover},
    {"generate", "Print what is made from the tables of options.", "", kGenerate, Command::generate, true},
});

}  // namespace

std::span<const CommandRow> commands() {
  return kCommands;
}

std::string synopsis(const CommandRow& row) {
  std::string out(row.name);
  if (!std::ranges::all_of(row.arguments, &Argument::positional)) out += " [OPTIONS]";
  for (const Argument& argument : row.arguments) {
    if (!argument.positional()) continue;
    out += argument.required ? fmt::format(" {}", argument.name) : fmt::format(" [{}]", argument.name);
  }
  return out;
}

}  // namespace pail::cli
