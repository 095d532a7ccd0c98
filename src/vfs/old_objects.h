// The deletes that end the rename of a directory: of the old objects, exactly the versions that were copied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cos/object_store.h"
#include "vfs/rename_job.h"

namespace pail::vfs {

// What stayed under the old name.
struct OldObjectsLeft {
  bool others = false;        // objects that were not copied, or were replaced since, or whose copy is gone
  std::optional<Error> ours;  // copied ones that could not be deleted, and why
  bool any() const { return others || ours; }
};

// Deletes what `job` says was copied, where a listing of now shows the same ETag and time as when it was copied. Stores
// have no delete under a condition that could be relied on: what others write between that listing and the delete of
// the same page is lost. What is refused is tried again, a bounded number of times.
// Of an object and its copy one stays, also where others removed or replaced some copies since an earlier process made
// them; the log names what stays for that. What must be under the new name, for the old object to go:
//   known       nothing, as the copies were made just now
//   any_object  any object. The names know of the rename, so what is there is the file that they show: the copy, or
//               what a program wrote over it since, and then the old object would come back from the dead
//   the_copy    one with the ETag of the copy. The names were lost, so another one may be of somebody who never saw our
//               bytes, and the old object is all there is of them
enum class OtherSide { known, any_object, the_copy };
OldObjectsLeft delete_old_objects(cos::ObjectStore& store, const std::filesystem::path& job, OtherSide copies,
                                  const cos::CallContext& context);

// Deletes the copies that `job` says were made, where they still are what the store answered for them and what they
// were made of is there: of a rename that failed, perhaps because another one moved the same directory. `marker` is
// that of the directory itself, which a target had before.
enum class TargetMarker { keep, remove };
OldObjectsLeft delete_copies(cos::ObjectStore& store, const std::filesystem::path& job, TargetMarker marker,
                             const cos::CallContext& context);

// What the kernel may be told of an object that stayed. A fault that speaks of a name, as "no such key" does, would say
// something of the names that the program gave: that one is EIO.
int errnum_of_leftover(const Error& why);
// What a rename answers when old objects stay, the first of them for this reason. The log has it, too. `from`: the old
// key.
Error old_objects_stay(std::string_view from, const Error& why);

// Deletes the marker "DIR_$folder$" that some tools write beside a directory's own. `directory` is its key without '/'.
Result<Unit> delete_folder_marker(cos::ObjectStore& store, const std::string& directory,
                                  const cos::CallContext& context);

// The object under exactly this key, as a listing shows it.
Result<std::optional<cos::ListedObject>> listed_object(cos::ObjectStore& store, const std::string& key,
                                                       const cos::CallContext& context);

}  // namespace pail::vfs
