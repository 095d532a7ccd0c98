#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <cerrno>
#include <memory>

#include "base/file.h"
#include "pailfs/http/client.h"
#include "tiny_server.h"

namespace pail::http {
namespace {

template <auto Free>
struct FreeWith {
  void operator()(auto* p) const { Free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, FreeWith<SSL_free>>;

// A certificate that signs itself, for one IP address.
class SelfSigned {
 public:
  explicit SelfSigned(const std::string& address) : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    X509* const x = certificate_.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key_.get());
    X509_NAME* const name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION* const names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("IP:" + address).c_str());
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(x, key_.get(), EVP_sha256());
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context_.get(), x);
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
  }

  std::string pem_file() const {
    std::unique_ptr<BIO, FreeWith<BIO_free>> out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate_.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    const std::string path = testing::TempDir() + "pailfs_tls_test_" + std::to_string(getpid()) + ".pem";
    EXPECT_TRUE(write_file_atomically(path, {text, static_cast<std::size_t>(size)}));
    return path;
  }

  // Answers one request over TLS.
  void serve(test::TinyConnection& connection) const {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);  // a client that refuses us hangs up
    Session session(SSL_new(context_.get()));
    SSL_set_fd(session.get(), connection.fd());
    if (SSL_accept(session.get()) != 1) return;
    char request[4096];
    if (SSL_read(session.get(), request, sizeof request) <= 0) return;
    const std::string_view reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    SSL_write(session.get(), reply.data(), static_cast<int>(reply.size()));
    SSL_shutdown(session.get());
  }

 private:
  Key key_;
  Certificate certificate_;
  Context context_;
};

Result<Response> fetch(const test::TinyServer& server, ClientOptions options) {
  options.proxy = ProxyUse::none;
  auto client = Client::create(options);
  if (!client) return client.error();
  Request request;
  request.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
  return (*client)->send(request);
}

TEST(Tls, RefusesACertificateThatNobodyTrusts) {
  const SelfSigned certificate("127.0.0.1");
  test::TinyServer server([&](test::TinyConnection& connection, int) { certificate.serve(connection); });
  const auto reply = fetch(server, {});
  EXPECT_EQ(errnum_of(reply), EPROTO);
  EXPECT_NE(reply.error().context.find("certificate of \"127.0.0.1:"), std::string::npos) << reply.error().context;
}

TEST(Tls, AcceptsACertificateOfTheGivenBundle) {
  const SelfSigned certificate("127.0.0.1");
  test::TinyServer server([&](test::TinyConnection& connection, int) { certificate.serve(connection); });
  ClientOptions options;
  options.ca_bundle = certificate.pem_file();
  const auto reply = fetch(server, options);
  ASSERT_TRUE(reply) << reply.error().context;
  EXPECT_EQ(reply->body, "ok");
  unlink(options.ca_bundle.c_str());
}

TEST(Tls, RefusesACertificateOfAnotherHost) {
  const SelfSigned certificate("127.0.0.9");
  test::TinyServer server([&](test::TinyConnection& connection, int) { certificate.serve(connection); });
  ClientOptions options;
  options.ca_bundle = certificate.pem_file();
  const auto reply = fetch(server, options);
  EXPECT_EQ(errnum_of(reply), EPROTO);
  EXPECT_NE(reply.error().context.find("certificate"), std::string::npos) << reply.error().context;
  unlink(options.ca_bundle.c_str());
}

TEST(Tls, AcceptsAnythingOnlyWhenToldTo) {
  const SelfSigned certificate("127.0.0.9");
  test::TinyServer server([&](test::TinyConnection& connection, int) { certificate.serve(connection); });
  ClientOptions options;
  options.verification = TlsVerification::none;
  EXPECT_TRUE(fetch(server, options));
}

TEST(Tls, ReportsABrokenHandshakeAsBrokenConnection) {
  test::TinyServer server([](test::TinyConnection& connection, int) { connection.reset(); });
  EXPECT_EQ(errnum_of(fetch(server, {})), ECONNRESET);
}

TEST(Tls, NamesAPortThatDoesNotSpeakTls) {
  test::TinyServer server([](test::TinyConnection& connection, int) {
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_until_closed();
  });
  const auto reply = fetch(server, {});
  EXPECT_EQ(errnum_of(reply), EPROTO) << reply.error().context;
}

}  // namespace
}  // namespace pail::http
