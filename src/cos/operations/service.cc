#include "cos/operations/service.h"

#include "cos/answers.h"

namespace pail::cos::op {
namespace {

Call list_call(Service& service, Query query) {
  Call call = service_call("GET", service.addresses().origin(), std::move(query));
  add_instance_id(service, call);
  return call;
}

Result<BucketsPage> read_page(Answer answer) {
  return parse_body(std::move(answer), parse_buckets);
}

}  // namespace

void add_instance_id(Service& service, Call& call) {
  const std::string instance = service.authorizer().service_instance_id();
  if (!instance.empty()) call.headers.set("ibm-service-instance-id", instance);
}

Result<Call> ListBuckets::call(Service& service) const {
  return list_call(service, {});
}

Result<BucketsPage> ListBuckets::read(Answer answer) const {
  return read_page(std::move(answer));
}

Result<Call> ListBucketsExtended::call(Service& service) const {
  Query query{{"extended", ""}};
  if (!prefix.empty()) query.emplace_back("prefix", prefix);
  if (!marker.empty()) query.emplace_back("marker", marker);
  return list_call(service, std::move(query));
}

Result<BucketsPage> ListBucketsExtended::read(Answer answer) const {
  return read_page(std::move(answer));
}

}  // namespace pail::cos::op
