#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <memory>

#include "base/file.h"
#include "emulator/server.h"

namespace pail::emulator {
namespace {

template <auto Free>
struct FreeWith {
  void operator()(auto* p) const noexcept { Free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Text = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

constexpr long kLifetimeSeconds = 10L * 365 * 24 * 3600;

bool add_extension(X509* certificate, int nid, const char* value) {
  const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill(X509* certificate, EVP_PKEY* key) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* common = reinterpret_cast<const unsigned char*>("pailfs emulator");
  return X509_set_version(certificate, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * 3600) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), kLifetimeSeconds) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
         add_extension(certificate, NID_subject_alt_name, "DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Result<Unit> write_certificate(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  const Key pair(EVP_EC_gen("P-256"));
  const Certificate made(X509_new());
  const Text certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  if (!pair || !made || !fill(made.get(), pair.get()) || PEM_write_bio_X509(certificate_text.get(), made.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return Error{EIO, "making a certificate failed"};
  PAIL_CHECK(write_file_atomically(key, text_of(key_text.get()), 0600));
  return write_file_atomically(certificate, text_of(certificate_text.get()), 0644);
}

}  // namespace pail::emulator
