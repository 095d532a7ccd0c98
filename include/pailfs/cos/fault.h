// What an operation of an object store failed of: facts to decide on. Every Error of cos::Client
// carries one.
//
// A fault says no more than was proven. "no_key" is said by the store itself, for this key: a 404
// of a proxy, of a server that is no store, of a missing bucket or upload, or a redirect, is
// something else. So only no_key shows that an object is gone, and only `unsupported` that the
// store lacks an operation or a header.
//
// Error::may_have_happened says, beside any fault, that a write may have been carried out all the
// same: the answer to one of its attempts was lost.
#pragma once

#include <cstdint>

#include "pailfs/base/result.h"

namespace pail {

enum class Fault : std::uint8_t {
  none = 0,         // not the store's word: a bad argument, a local failure
  stopped,          // who asked for it ended it, by a StopToken. EINTR
  no_key,           // the bucket is there and has no such key (of a copy: no such source). ENOENT
  no_version,       // the key has no such version. ESTALE
  no_bucket,        // the store has no such bucket, or it is served elsewhere. ENODEV
  no_upload,        // the multipart upload was completed or aborted, or never begun. EIO
  exists,           // what was to be made is there: a bucket, an object that may not be replaced.
                    // EEXIST
  not_empty,        // a bucket that holds objects. ENOTEMPTY
  precondition,     // If-Match or If-None-Match did not hold, or the version changed. ESTALE
  redirect,         // sent to another place, which was not followed. EIO
  denied,           // these credentials have no right to it. EACCES
  unknown_key_id,   // no such access key id. EACCES
  wrong_signature,  // the secret does not belong to the key id. EACCES
  wrong_clock,      // signed at another time than the store's. EACCES
  wrong_token,      // expired or not valid. EACCES
  credentials,      // these credentials are not taken, for another reason. EACCES
  retained,         // retention or a legal hold protects the object. EPERM
  archived,         // to be restored first. EREMOTEIO
  busy,             // another operation is under way, or too many are; later it may work. EBUSY, EIO
  trouble,          // an internal error of the store, or bytes damaged on their way. EIO
  quota,            // no room, or no right to more of it. ENOSPC, EDQUOT
  unsupported,      // the store's own word that it lacks the operation or a header. EOPNOTSUPP
  refused,          // any other refusal, such as EINVAL, EFBIG, ENAMETOOLONG: will be refused again
  lost,             // no answer: unreachable, broken, too late, TLS. ETIMEDOUT, ECONNREFUSED,
                    // EHOSTUNREACH, EPROTO, EIO
  not_a_store,      // an answer that no store gives: a web page, a proxy's own 404, a broken page.
                    // EIO, EBADMSG
};

// The credentials have no right, or are not taken: EACCES.
constexpr bool no_access(Fault fault) {
  switch (fault) {
    case Fault::denied:
    case Fault::unknown_key_id:
    case Fault::wrong_signature:
    case Fault::wrong_clock:
    case Fault::wrong_token:
    case Fault::credentials:
      return true;
    default:
      return false;
  }
}

}  // namespace pail
