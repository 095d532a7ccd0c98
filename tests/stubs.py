#!/usr/bin/env python3
"""Would a test notice if a public function did nothing and answered success?

    stubs.py [LAYER=local] [--only PART] [--jobs N]

Every public function with a body in src/LAYER/**/*.cc gets a first line that answers success at once when the
environment says its number. One build serves for all: the unit tests of the layer run once for each number, and a number
with which they pass is a survivor. The last line counts.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-tests" / "stubs"

# Put in front of each changed source. What cannot be made from nothing ends the test: nobody overlooks that.
SWITCH = """
#include <cstdlib>
#include <optional>
#include <type_traits>
#include "pailfs/base/result.h"
namespace pail_stub {
inline bool chosen(int number) {
  static const char* const text = std::getenv("PAIL_STUB");
  return text != nullptr && std::atoi(text) == number;
}
struct Success {
  template <class T>
  operator T() const {
    if constexpr (std::is_same_v<T, bool>) return true;
    else if constexpr (std::is_default_constructible_v<T>) return T{};
    else return made<T>(static_cast<T*>(nullptr));
  }
  template <class T, class U>
  static T made(pail::Result<U>*) {
    if constexpr (std::is_same_v<U, bool>) return true;
    else if constexpr (std::is_default_constructible_v<U>) return U{};
    else std::abort();
  }
  template <class T>
  static T made(void*) { std::abort(); }
};
}  // namespace pail_stub
"""

DEFINITION = re.compile(r"^(?!namespace|struct|class|enum|constexpr|const |template|using|extern|static_assert|#|//|\s|\})"
                        r"(?P<head>[^;{}=]*?)(?P<name>[\w:~]+)\((?P<rest>[^;]*?)\{$", re.M)


def public_names(text):
    """Names of functions that a header offers: at namespace level, or in a public section. Methods as Class::name."""
    names, stack = set(), []  # of (class name, access)
    depth = 0
    for line in re.sub(r"//[^\n]*", "", text).splitlines():
        opened = re.match(r"\s*(?:template <[^>]*>\s*)?(class|struct)\s+(?:PAIL_\w+\(.*?\)\s*)?(\w+)[^;]*\{", line)
        if opened:
            stack.append([opened.group(2), "private" if opened.group(1) == "class" else "public", depth])
        access = re.match(r"\s*(public|private|protected):", line)
        if access and stack:
            stack[-1][1] = access.group(1)
        declared = re.match(r"\s*[\w:<>,&*\s\[\]]*?\b(\w+)\(", line)
        if declared and not opened and "[[noreturn]]" not in line:  # whoever does not return has no answer
            if not stack and depth <= 1:
                names.add(declared.group(1))
            elif stack and stack[-1][1] == "public" and depth == stack[-1][2] + 1:
                names.add(f"{stack[-1][0]}::{declared.group(1)}")
        depth += line.count("{") - line.count("}")
        while stack and depth <= stack[-1][2]:
            stack.pop()
    return names


def is_a_function(head, name):
    """Constructors and destructors answer nothing."""
    parts = name.split("::")
    return head.strip() and "~" not in name and not (len(parts) > 1 and parts[-1] == parts[-2])


def insert_stubs(path, offered, first, stubs):
    text, out, at = path.read_text(), [], 0
    for found in DEFINITION.finditer(text):
        name = found.group("name")
        if name not in offered or not is_a_function(found.group("head"), name):
            continue
        number = first + len(stubs)
        stubs.append((number, f"{path.relative_to(BUILD / 'tree')}: {name}"))
        answer = "return;" if re.match(r"\s*(static |\[\[\w+\]\] )*void\s*$", found.group("head")) \
            else "return pail_stub::Success{};"
        out += [text[at:found.end()], f" if (pail_stub::chosen({number})) {answer}"]
        at = found.end()
    if out:
        path.write_text(SWITCH + "".join(out) + text[at:])


def prepare(layer):
    tree = BUILD / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in files:
        if (ROOT / name).is_file() and not name.startswith("tests/mount/programs/of_"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    offered = set().union(*(public_names(path.read_text()) for path in (tree / "src" / layer).rglob("*.h")))
    stubs = []
    for path in sorted((tree / "src" / layer).rglob("*.cc")):
        insert_stubs(path, offered, 1, stubs)
    return tree, stubs


def build(tree, layer):
    folder = BUILD / "build"
    environment = dict(os.environ, CXX="ccache g++" if shutil.which("ccache") else "g++")
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, tree, "--buildtype=debugoptimized"], check=True, env=environment,
                       stdout=subprocess.DEVNULL)
    program = f"tests/unit/{layer}/{layer}_unit_test"
    subprocess.run(["ninja", "-C", folder, "--quiet", program], check=True, env=environment)
    return folder / program


def survives(program, number):
    environment = dict(os.environ, PAIL_STUB=str(number))
    with tempfile.TemporaryDirectory() as place:  # a stub may write anywhere
        try:
            done = subprocess.run([program, "--gtest_brief=1", "--gtest_fail_fast"], env=environment, cwd=place, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=300)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("layer", nargs="?", default="local")
    options.add_argument("--only", default="", help="functions whose name or file holds this")
    options.add_argument("--jobs", type=int, default=2)
    chosen = options.parse_args()
    tree, stubs = prepare(chosen.layer)
    program = build(tree, chosen.layer)
    assert survives(program, 0), "the tests fail without a stub"
    stubs = [stub for stub in stubs if chosen.only in stub[1]]
    survivors = 0
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        for survived, (_, name) in zip(pool.map(lambda stub: survives(program, stub[0]), stubs), stubs):
            survivors += survived
            if survived:
                print(f"nobody notices: {name}", flush=True)
    print(f"{len(stubs) - survivors} of {len(stubs)} stubs found")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
